package pagerduty

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/PagerDuty/go-pagerduty"
)

// Error is a try that failed. It holds PagerDuty's own words, and never the routing key.
type Error struct {
	// Status is the HTTP status, 0 if there was no answer.
	Status int
	// Message and Errors are PagerDuty's words.
	Message string
	Errors  []string
	// Permanent says that PagerDuty will never take this event.
	Permanent bool
	// RetryAfter is how long PagerDuty asked us to wait, 0 if it did not.
	RetryAfter time.Duration
	// Cause is what went wrong where there was no answer, or what to do about it.
	Cause error
}

// Error says what happened in one line.
func (e *Error) Error() string {
	s := "send to pagerduty"
	if e.Status != 0 {
		s += ": answered " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status))
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if len(e.Errors) > 0 {
		s += ": " + strings.Join(e.Errors, "; ")
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	if e.RetryAfter > 0 {
		s += " (try again after " + e.RetryAfter.String() + ")"
	}
	return s
}

// Unwrap is the cause, e.g. context.DeadlineExceeded after a timeout.
func (e *Error) Unwrap() error { return e.Cause }

const (
	// silentRest is how long we rest after a 429 that does not say how long; longestRest bounds one that does.
	silentRest  = 30 * time.Second
	longestRest = 10 * time.Minute
	// maxErrors bounds how many of PagerDuty's words are kept.
	maxErrors = 10
)

// judge turns an answer into nothing or an [Error]. hide is taken out of all words.
func judge(status int, header http.Header, body []byte, now time.Time, hide string) error {
	if status/100 == 2 {
		return nil
	}
	e := &Error{Status: status}
	var answer pagerduty.V2EventResponse
	if json.Unmarshal(body, &answer) == nil { // what is no JSON came from somewhere on the way, and says nothing
		e.Message = words(answer.Message, hide)
		for _, one := range answer.Errors[:min(len(answer.Errors), maxErrors)] {
			e.Errors = append(e.Errors, words(one, hide))
		}
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.RetryAfter = retryAfter(header.Get("Retry-After"), now)
	case status/100 == 3:
		e.Cause = errors.New("redirects are not followed: put the final address into the policy")
	case ofTheWay(status):
		e.Cause = errors.New("this says nothing about the event: check the address and what is on the way to it")
	case status/100 == 4:
		e.Permanent = true
	}
	return e
}

// ofTheWay are the statuses that PagerDuty does not give to events: a proxy or a wrong address does. An event is not given up for them.
func ofTheWay(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return true
	}
	return false
}

func words(s, hide string) string {
	return plain(strings.ReplaceAll(s, hide, "[redacted]"), maxLine)
}

// retryAfter reads a Retry-After header, which holds seconds or a date. What cannot be read is the silent rest.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return min(max(time.Duration(seconds)*time.Second, time.Second), longestRest)
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return silentRest
	}
	return min(max(date.Sub(now), time.Second), longestRest)
}

// withoutURL drops the address that net/url and net/http put into their errors: a proxy's can hold a password.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("%s [redacted]: %w", ue.Op, withoutURL(ue.Err))
	}
	return err
}

package fakeslack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Forgery is an interaction request that Slack did not send, or not now, or not like this.
type Forgery string

const (
	// WrongSecret is signed with another secret.
	WrongSecret Forgery = "wrong_secret"
	// WrongSignature has a signature of the right length that belongs to nothing; ShortSignature and NoHex are none at all.
	WrongSignature Forgery = "wrong_signature"
	ShortSignature Forgery = "short_signature"
	NoHex          Forgery = "no_hex"
	// OtherVersion has the right signature under another version's name.
	OtherVersion Forgery = "other_version"
	// OldTimestamp and FutureTimestamp are rightly signed, six minutes off. ChangedTimestamp was signed at another time.
	OldTimestamp     Forgery = "old_timestamp"
	FutureTimestamp  Forgery = "future_timestamp"
	ChangedTimestamp Forgery = "changed_timestamp"
	// BadTimestamp is rightly signed, and no number; HugeTimestamp overflows.
	BadTimestamp  Forgery = "bad_timestamp"
	HugeTimestamp Forgery = "huge_timestamp"
	// NoSignature, NoTimestamp and NoHeaders lack them.
	NoSignature Forgery = "no_signature"
	NoTimestamp Forgery = "no_timestamp"
	NoHeaders   Forgery = "no_headers"
	// TamperedBody was changed by one letter after it was signed; CutBody lost its end.
	TamperedBody Forgery = "tampered_body"
	CutBody      Forgery = "cut_body"
	// PayloadInQuery is a rightly signed body without a payload, and the payload in the URL, where nothing is signed.
	PayloadInQuery Forgery = "payload_in_query"
)

// Forgeries are all that no app may accept.
func Forgeries() []Forgery {
	return []Forgery{
		WrongSecret, WrongSignature, ShortSignature, NoHex, OtherVersion, OldTimestamp, FutureTimestamp, ChangedTimestamp, BadTimestamp,
		HugeTimestamp, NoSignature, NoTimestamp, NoHeaders, TamperedBody, CutBody, PayloadInQuery,
	}
}

// ErrNoRequestURL says that there is nowhere to post to.
var ErrNoRequestURL = errors.New("the app has no request URL")

// Forge posts a forged request with a payload and returns the app's HTTP status.
func (s *Server) Forge(ctx context.Context, f Forgery, payload []byte) (int, error) {
	to, err := s.postsTo()
	if err != nil {
		return 0, err
	}
	body, at := form(payload), s.config.Now()
	switch f {
	case OldTimestamp:
		at = at.Add(-6 * time.Minute)
	case FutureTimestamp:
		at = at.Add(6 * time.Minute)
	case PayloadInQuery:
		to += "?" + body
		body = "text=hello"
	}
	status, _, err := s.send(ctx, to, body, at, func(r *http.Request) { s.forge(r, f, body, at) })
	if err != nil {
		return 0, fmt.Errorf("forge %s: %w", f, err)
	}
	return status, nil
}

func (s *Server) forge(r *http.Request, f Forgery, body string, at time.Time) {
	restamp := func(timestamp string) {
		r.Header.Set(timestampHeader, timestamp)
		r.Header.Set(signatureHeader, sign(s.config.App.SigningSecret, timestamp, body))
	}
	signature := r.Header.Get(signatureHeader)
	switch f {
	case WrongSecret:
		r.Header.Set(signatureHeader, sign(s.config.App.SigningSecret+"x", r.Header.Get(timestampHeader), body))
	case WrongSignature:
		r.Header.Set(signatureHeader, "v0="+strings.Repeat("0a", 32))
	case ShortSignature:
		r.Header.Set(signatureHeader, signature[:len(signature)-2])
	case NoHex:
		r.Header.Set(signatureHeader, "v0="+strings.Repeat("zz", 32))
	case OtherVersion:
		r.Header.Set(signatureHeader, "v1="+strings.TrimPrefix(signature, "v0="))
	case ChangedTimestamp:
		r.Header.Set(timestampHeader, fmt.Sprint(at.Unix()-1))
	case BadTimestamp:
		restamp("now")
	case HugeTimestamp:
		restamp("9223372036854775807")
	case NoSignature:
		r.Header.Del(signatureHeader)
	case NoTimestamp:
		r.Header.Del(timestampHeader)
	case NoHeaders:
		r.Header.Del(signatureHeader)
		r.Header.Del(timestampHeader)
	case TamperedBody:
		replaceBody(r, strings.Replace(body, "block_actions", "block_actionz", 1))
	case CutBody:
		replaceBody(r, body[:len(body)-1])
	}
}

func replaceBody(r *http.Request, body string) {
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	r.GetBody = nil
}

// Replay posts the very same request, with the very same signature, n times, and returns the statuses. Within five minutes
// that is rightly signed: the app has to know that it saw it before.
func (s *Server) Replay(ctx context.Context, payload []byte, n int) ([]int, error) {
	to, err := s.postsTo()
	if err != nil {
		return nil, err
	}
	body, at := form(payload), s.config.Now()
	statuses := make([]int, 0, n)
	for range n {
		status, _, err := s.send(ctx, to, body, at, nil)
		if err != nil {
			return statuses, fmt.Errorf("replay request: %w", err)
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}

// SendForm posts a rightly signed form of any shape and returns the status: two payload fields, none, other fields.
func (s *Server) SendForm(ctx context.Context, fields url.Values) (int, error) {
	return s.SendBody(ctx, fields.Encode())
}

// SendBody posts any rightly signed body and returns the status.
func (s *Server) SendBody(ctx context.Context, body string) (int, error) {
	to, err := s.postsTo()
	if err != nil {
		return 0, err
	}
	status, _, err := s.send(ctx, to, body, s.config.Now(), nil)
	return status, err
}

func (s *Server) postsTo() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requestURL == "" {
		return "", ErrNoRequestURL
	}
	return s.requestURL, nil
}

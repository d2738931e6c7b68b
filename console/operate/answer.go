package operate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// maxBody bounds an order, in bytes.
const maxBody = 64 << 10

// The codes of refusals that are not the desk's.
const (
	codeWho         = "unauthorized"  // nobody knows who asks
	codeRight       = "right_missing" // it is known who asks, and they may not
	codeCrossOrigin = "cross_origin"  // a web page of another origin sent it
	codeMethod      = "method"        // the path does not take this method
	codeNotFound    = "not_found"     // there is nothing there
	codeType        = "content_type"  // an order is JSON, and says so
	codeTooLarge    = "too_large"     // more than an order needs
	codeBad         = "bad_request"   // it could not be read
	codeNotAccepted = "not_accepted"  // it lacks something, or names what does not exist
	codeUnavailable = "unavailable"   // what must be read or written could not be
	codeReason      = string(desk.ReasonMissing)
)

// refusal is an order that was not taken, or a question that was not answered.
type refusal struct {
	status int
	code   string
	words  string
}

func (e *refusal) Error() string { return e.words }

// unprocessed is for orders that were understood and lack something.
func unprocessed(code, format string, args ...any) *refusal {
	return &refusal{http.StatusUnprocessableEntity, code, fmt.Sprintf(format, args...)}
}

// answerOf is how an error is told: by status, code and words.
func answerOf(err error) *refusal {
	if no, ok := errors.AsType[*refusal](err); ok {
		return no
	}
	if no, ok := errors.AsType[*desk.No](err); ok {
		return &refusal{statusOf(no.Code), string(no.Code), no.Words}
	}
	switch {
	case errors.Is(err, incidents.ErrBadID):
		return &refusal{http.StatusBadRequest, codeBad, err.Error()}
	case errors.Is(err, guard.ErrNotAccepted):
		return unprocessed(codeNotAccepted, "%s", err)
	case errors.Is(err, guard.ErrNoPause):
		return &refusal{http.StatusNotFound, codeNotFound, err.Error()}
	case errors.Is(err, ledger.ErrStanding):
		return &refusal{http.StatusConflict, string(desk.Standing), err.Error()}
	}
	return &refusal{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
}

// statusOf says who can do something about a no of the desk: another person (403), nobody with this order (404, 409), or whoever
// wrote it (422).
func statusOf(code desk.Code) int {
	switch code {
	case desk.NoSuchIncident:
		return http.StatusNotFound
	case desk.NotApprover, desk.OwnRequest:
		return http.StatusForbidden
	case desk.ReasonMissing, desk.ReasonTooLong:
		return http.StatusUnprocessableEntity
	case desk.Over, desk.Standing, desk.NothingStands, desk.NothingAsked, desk.OtherAsking, desk.TooLate, desk.SaidAlready, desk.NothingToAck:
	}
	return http.StatusConflict
}

// refuse answers with why not. What is our own fault is logged.
func (a *api) refuse(c call, err error) {
	no := answerOf(err)
	if no.status >= http.StatusInternalServerError && c.r.Context().Err() == nil {
		a.Log.Error().Err(err).Str("path", c.r.URL.Path).Msg("an operator's request could not be answered")
	}
	c.write(no.status, map[string]string{"error": no.words, "code": no.code})
}

// write answers with one JSON object.
func (c call) write(status int, v any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(v) // the peer may be gone
}

// lines answers with one JSON object a line, whole or not at all.
func lines[T any](c call, list []T) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for _, v := range list {
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.Header().Set("Cache-Control", "no-store")
	_, _ = c.w.Write(body.Bytes()) // the peer may be gone
	return nil
}

// read takes the order in the body. It must say that it is JSON: a page in a browser cannot send that anywhere but to its own origin
// without being asked first, so no page that somebody on this machine happens to open gives orders.
func (c call) read(order any) error {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, codeType, "an order is JSON: send Content-Type: application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &refusal{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("an order has at most %d bytes", maxBody)}
	}
	bad := func(err error) error {
		return &refusal{http.StatusBadRequest, codeBad, "the order cannot be read: " + err.Error()}
	}
	if err != nil {
		return bad(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(order); errors.Is(err, io.EOF) {
		return bad(errors.New("there is none"))
	} else if err != nil {
		return bad(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad(errors.New("something follows it"))
	}
	return nil
}

// allowed are the methods of a path.
func allowed(methods map[string]route) string {
	return strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
}

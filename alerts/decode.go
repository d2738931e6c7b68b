package alerts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxDepth is how deep arrays and objects of a body may be nested. Alertmanager needs four levels. The
// validator that follows the check recurses, so that without a limit one hostile body could exhaust the stack.
const maxDepth = 64

// The values of Delivery.Source.
const (
	SourceWebhook string = "webhook"
	SourceAPI     string = "api"
	SourceSelf    string = "self" // about Firebreak itself
)

// Body is one webhook body of version 4, validated and cut into its alerts. The status of the body and its
// group and common labels are left out on purpose: each alert says everything itself.
type Body struct {
	// Receiver is the receiver's name as the operator wrote it; Alertmanager sends it regexp-quoted.
	Receiver string
	// GroupKey names the group within Alertmanager. It is long, holds any UTF-8 and changes with the route tree.
	GroupKey    string
	ExternalURL string
	// Version is "4" from Alertmanager and "1" from Grafana; nothing depends on it.
	Version string
	// Reason is notification_reason, sent by Alertmanager 0.32 and newer.
	Reason string
	// Truncated counts the alerts that max_alerts left out of this body.
	Truncated uint64
	// Alerts are the alerts in the order of the body. Most of them are slices of the parsed body.
	Alerts []Raw
}

// Parse validates a webhook body and cuts the alerts out of it. Every error is a *BodyError. The alerts alias
// body, which must not be changed while they are in use.
//
// It is lenient about what it does not need (unknown fields, any version, absent optional fields) and strict
// about what decisions rest on: status, labels and times. One unusable alert refuses the whole body, since a
// 200 would promise that all of it is kept.
//
// Whatever decodes an alert later must see what was validated here, although JSON lets an object name a key
// twice and Go matches keys without regard to case. So the array alerts, and each known key of an alert, may
// appear once; and an alert that two decoders could read differently (a key in another case or with escapes,
// a key that our own record format uses, a null or an escape where a time is expected, invalid UTF-8) is
// written anew from the validated values. A label named twice has its last value, as everywhere in Go.
func Parse(body []byte) (Body, error) {
	if deeperThan(body, maxDepth) {
		return Body{}, &BodyError{
			Code:    CodeTooDeep,
			Message: fmt.Sprintf("nested deeper than %d levels", maxDepth),
			Hint:    "this is not a body of Alertmanager",
		}
	}
	if !gjson.ValidBytes(body) {
		return Body{}, &BodyError{Code: CodeNotJSON, Message: "not a well-formed JSON value"}
	}
	if !utf8.Valid(body) {
		// JSON decoders disagree about invalid UTF-8, so it is replaced before anyone looks.
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	root := gjson.Parse(string(body))
	if !root.IsObject() {
		return Body{}, &BodyError{
			Code:    CodeNotAnObject,
			Message: "a " + kind(root) + ", not an object",
			Hint:    "if Prometheus posts here itself, let it post to Alertmanager instead",
		}
	}
	b, list, err := envelope(root)
	if err != nil {
		return Body{}, err
	}
	b.Alerts, err = cut(body, list)
	if err != nil {
		return Body{}, err
	}
	return b, nil
}

// Delivery returns what the body says about all of its alerts, received at the given time.
func (b Body) Delivery(at time.Time) Delivery {
	d := Delivery{
		At:          at,
		Source:      SourceWebhook,
		Receiver:    b.Receiver,
		ExternalURL: b.ExternalURL,
		Reason:      b.Reason,
		Truncated:   b.Truncated,
	}
	if b.GroupKey != "" {
		sum := sha256.Sum256([]byte(b.GroupKey))
		d.Group = hex.EncodeToString(sum[:6])
	}
	return d
}

// envelope reads the top level of a body and returns the alerts' array unread.
func envelope(root gjson.Result) (b Body, list gjson.Result, err error) {
	arrays := 0
	for key, value := range root.All() {
		switch unquote(key.Raw) {
		case "receiver":
			b.Receiver = unquoteMeta(text(value))
		case "groupKey":
			b.GroupKey = text(value)
		case "externalURL":
			b.ExternalURL = text(value)
		case "version":
			b.Version = text(value)
		case "notification_reason":
			b.Reason = text(value)
		case "truncatedAlerts":
			b.Truncated, _ = strconv.ParseUint(value.Raw, 10, 64)
		case "alerts":
			list = value
			arrays++
		}
	}
	switch {
	case arrays > 1:
		err = &BodyError{Code: CodeNoAlertsArray, Message: "alerts appears more than once"}
	case !list.IsArray():
		found := "missing"
		if arrays == 1 {
			found = "a " + kind(list)
		}
		err = &BodyError{
			Code:    CodeNoAlertsArray,
			Message: "alerts is " + found + ", not an array",
			Hint:    "if this webhook_config has a custom `payload:` (Alertmanager 0.32 and newer), remove it",
		}
	}
	return b, list, err
}

// cut validates every alert of the array and returns each as one line.
func cut(body []byte, list gjson.Result) ([]Raw, error) {
	// An alert of Alertmanager is seldom shorter than 256 bytes; the guess only saves growing.
	raws := make([]Raw, 0, len(list.Raw)/256+1)
	for _, item := range list.All() {
		raw, err := line(body, item)
		if err != nil {
			return nil, &BodyError{Code: CodeAlertInvalid, Message: fmt.Sprintf("alerts[%d]: %s", len(raws), err)}
		}
		raws = append(raws, raw)
	}
	return raws, nil
}

// deeperThan reports whether arrays and objects in b are nested deeper than limit. It does not need b to be
// JSON: on the part of b before the first syntax error it counts as a parser does.
func deeperThan(b []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// stringEnd returns the index of the quote that ends the string which starts at b[start], or len(b).
func stringEnd(b []byte, start int) int {
	for i := start + 1; ; i++ {
		next := bytes.IndexByte(b[i:], '"')
		if next < 0 {
			return len(b)
		}
		i += next
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// unquoteMeta undoes regexp.QuoteMeta. A backslash before any other character stays.
func unquoteMeta(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`\.+*?()|[]{}^$`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

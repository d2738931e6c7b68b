package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far the time of a request may be from ours.
const tolerance = 5 * time.Minute

// What is wrong with a request that Slack did not sign, or not now.
var (
	errUnsigned = errors.New("not signed")
	errOld      = errors.New("signed at another time")
	errForeign  = errors.New("signed by somebody else")
)

// verify checks that Slack signed a body, and that it did so now: HMAC-SHA256 of "v0:<time>:<body>". The body is what came over the wire,
// byte for byte. It does not see repetitions: the record does.
func verify(h http.Header, body []byte, secret string, now time.Time) error {
	stamps, signatures := h.Values("X-Slack-Request-Timestamp"), h.Values("X-Slack-Signature")
	if secret == "" || len(stamps) != 1 || len(signatures) != 1 {
		return errUnsigned
	}
	seconds, err := strconv.ParseInt(stamps[0], 10, 64)
	text, ours := strings.CutPrefix(signatures[0], "v0=")
	got, hexErr := hex.DecodeString(text)
	if err != nil || hexErr != nil || !ours {
		return errUnsigned
	}
	// Before and After, not Sub: a difference of centuries does not fit into a duration.
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return errOld
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamps[0] + ":"))
	mac.Write(body)
	if !hmac.Equal(got, mac.Sum(nil)) {
		return errForeign
	}
	return nil
}

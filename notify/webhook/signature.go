package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"

	// version marks the signatures of HMAC-SHA256. Others are skipped, so that a sender can go from one to the next.
	version = "v1,"
	// secretPrefix marks a secret that is written in base64.
	secretPrefix = "whsec_"
	// minSecret is the least number of bytes of a secret.
	minSecret = 24

	// DefaultTolerance is how far the clock of the sender may be from the receiver's.
	DefaultTolerance = 5 * time.Minute
)

// What Verify can find wrong.
var (
	ErrUnsigned  = errors.New("no signature: the webhook headers are missing or malformed")
	ErrTimestamp = errors.New("wrong time: the message is too old, or from the future")
	ErrSignature = errors.New("wrong signature")
)

// Verify checks that a message was sent by somebody who knows the secret, that nobody changed it, and that it is fresh. The
// body is what came over the wire, byte for byte. A tolerance of zero is [DefaultTolerance].
//
// A secret is "whsec_" and base64, as Standard Webhooks writes it, or plain text that is used as it is. It does not see
// repetitions inside the tolerance: remember the webhook-id for that.
func Verify(header http.Header, body, secret []byte, now time.Time, tolerance time.Duration) error {
	key, err := signingKey(secret)
	if err != nil {
		return err
	}
	id, timestamp := header.Get(headerID), header.Get(headerTimestamp)
	signatures := strings.Fields(header.Get(headerSignature))
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if !validID(id) || err != nil || len(signatures) == 0 {
		return ErrUnsigned
	}
	if tolerance <= 0 {
		tolerance = DefaultTolerance
	}
	// Before and After, not Sub: a difference of centuries does not fit into a duration.
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return ErrTimestamp
	}
	want := mac(key, id, timestamp, body)
	for _, s := range signatures {
		text, ours := strings.CutPrefix(s, version)
		got, err := base64.StdEncoding.DecodeString(text)
		if ours && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}

// signingKey is the bytes of a secret. Its errors never repeat it.
func signingKey(secret []byte) ([]byte, error) {
	key := bytes.Clone(secret)
	if text, encoded := bytes.CutPrefix(secret, []byte(secretPrefix)); encoded {
		var err error
		if key, err = base64.StdEncoding.DecodeString(string(text)); err != nil {
			return nil, fmt.Errorf("read secret: what follows %s is not base64", secretPrefix)
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("read secret: it has %d bytes, want at least %d", len(key), minSecret)
	}
	return key, nil
}

// mac is the signature of a message before it is written as text.
func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

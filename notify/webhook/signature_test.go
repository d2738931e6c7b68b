package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector that the reference libraries of Standard Webhooks are tested with.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = "1614265330"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func vectorNow() time.Time { return time.Unix(1614265330, 0) }

func vectorHeader() http.Header {
	h := http.Header{}
	h.Set("webhook-id", vectorID)
	h.Set("webhook-timestamp", vectorTime)
	h.Set("webhook-signature", vectorSignature)
	return h
}

// Our signature is the published one, so any Standard Webhooks library can check it.
func TestPublishedVector(t *testing.T) {
	t.Parallel()
	key, err := signingKey([]byte(vectorSecret))
	if err != nil {
		t.Fatal(err)
	}
	if got := version + base64Of(mac(key, vectorID, vectorTime, []byte(vectorBody))); got != vectorSignature {
		t.Errorf("got %s, want %s", got, vectorSignature)
	}
}

// Whatever is changed, missing or old is refused, by the name of what is wrong with it.
func TestVerify(t *testing.T) {
	t.Parallel()
	const wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	set := func(name, value string) func(http.Header) {
		return func(h http.Header) { h.Set(name, value) }
	}
	tests := []struct {
		name   string
		change func(http.Header)
		body   string
		secret string
		late   time.Duration
		want   error
	}{
		{name: "as it was sent"},
		{name: "several signatures, one of them right", change: set("webhook-signature", wrong+" v1a,x v1,%%% "+vectorSignature)},
		{name: "at the edge of the tolerance", late: DefaultTolerance},
		{name: "at the other edge", late: -DefaultTolerance},
		{name: "repeated later", late: DefaultTolerance + time.Second, want: ErrTimestamp},
		{name: "from the future", late: -DefaultTolerance - time.Second, want: ErrTimestamp},
		{name: "from another age", change: set("webhook-timestamp", "-9223372036854775808"), want: ErrTimestamp},
		{name: "body changed", body: `{"test": 2432232315}`, want: ErrSignature},
		{name: "id changed", change: set("webhook-id", "msg_another"), want: ErrSignature},
		{name: "time changed", change: set("webhook-timestamp", "1614265331"), want: ErrSignature},
		{name: "time written otherwise", change: set("webhook-timestamp", "+1614265330"), want: ErrSignature},
		{name: "another secret", secret: "another secret of many bytes", want: ErrSignature},
		{name: "the secret's text as the secret", secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", want: ErrSignature},
		{name: "wrong signatures only", change: set("webhook-signature", wrong+" "+wrong), want: ErrSignature},
		{name: "an empty signature", change: set("webhook-signature", "v1,"), want: ErrSignature},
		{name: "right, but of another version", change: set("webhook-signature", "v2"+vectorSignature[2:]), want: ErrSignature},
		{name: "no id", change: set("webhook-id", ""), want: ErrUnsigned},
		{name: "an id that shifts the dots", change: set("webhook-id", "msg.1"), want: ErrUnsigned},
		{name: "no time", change: set("webhook-timestamp", ""), want: ErrUnsigned},
		{name: "no number", change: set("webhook-timestamp", "now"), want: ErrUnsigned},
		{name: "no signature", change: set("webhook-signature", " "), want: ErrUnsigned},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header, body, secret := vectorHeader(), vectorBody, vectorSecret
			if test.change != nil {
				test.change(header)
			}
			if test.body != "" {
				body = test.body
			}
			if test.secret != "" {
				secret = test.secret
			}
			if err := Verify(header, []byte(body), []byte(secret), vectorNow().Add(test.late), 0); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// A receiver with a secret that is too short, or unreadable, accepts nothing.
func TestVerifyNeedsARealSecret(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "short", "whsec_!!!", "whsec_c2hvcnQ="} {
		if err := Verify(vectorHeader(), []byte(vectorBody), []byte(secret), vectorNow(), 0); err == nil {
			t.Errorf("secret %q is accepted", secret)
		}
	}
}

// Whatever a stranger sends, it is only accepted with the signature that the secret gives.
func FuzzVerify(f *testing.F) {
	f.Add(vectorID, vectorTime, vectorSignature, []byte(vectorBody))
	f.Add("", "-1", "v1, v1,= v2,", []byte(nil))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		header := http.Header{headerID: {id}, headerTimestamp: {timestamp}, headerSignature: {signature}}
		if Verify(header, body, []byte(vectorSecret), vectorNow(), 0) != nil {
			return
		}
		key, err := base64.StdEncoding.DecodeString(vectorSecret[len(secretPrefix):])
		if err != nil {
			t.Fatal(err)
		}
		if want := base64Of(mac(key, id, timestamp, body)); !strings.Contains(signature, version+want) {
			t.Errorf("accepted %q for %q %q %q, want %q in it", signature, id, timestamp, body, want)
		}
	})
}

package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Hint adds to the error of a connection what an operator can do about it, if the reason is a certificate. Any other error, and nil, is
// returned as it is.
func Hint(err error) error {
	if words := advice(err); words != "" {
		return fmt.Errorf("%w (%s)", err, words)
	}
	return err
}

func advice(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "write the certificate of the authority that issued it, in PEM, into the file tls.ca_file of the policy"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "use one of the names that its certificate is for, or have one issued for this name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "have its certificate renewed, and compare the clocks"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "what answers there speaks no TLS: correct the scheme or the port"
	}
	// What the other side says of us comes as an alert, which has a type of its own that is not exported.
	text := err.Error()
	for _, said := range []string{"tls: certificate required", "tls: bad certificate", "tls: unknown certificate authority", "tls: handshake failure"} {
		if strings.Contains(text, "remote error: "+said) {
			return "it may want a certificate from us that an authority of its own signed: tls.cert_file and tls.key_file of the policy"
		}
	}
	return ""
}

// Hinting is a transport whose errors say what to do: see [Hint].
func Hinting(next *http.Transport) http.RoundTripper { return hinting{next} }

type hinting struct{ *http.Transport }

// RoundTrip is the transport's.
func (h hinting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.Transport.RoundTrip(r)
	return resp, Hint(err)
}

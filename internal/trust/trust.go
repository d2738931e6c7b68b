package trust

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// Files are those of one section of the policy. Each is PEM, and empty where there is none; a certificate needs its key.
type Files struct {
	// Section is its name in the policy, for errors: "tls", "server.tls" or "bus.tls".
	Section string
	// CAFile holds authorities: of servers that we connect to, or of clients that connect to us.
	CAFile            string
	CertFile, KeyFile string
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	Log zerolog.Logger
}

func (f Files) now() func() time.Time {
	if f.Now == nil {
		return time.Now
	}
	return f.Now
}

// Trust is whom connections that we open believe, and what they show to servers that ask. The zero value believes whom the system does, and
// shows nothing; so does a nil one.
type Trust struct {
	roots *x509.CertPool // nil: the system's
	pair  *pair          // nil: nothing is shown
}

// Open reads the files. Without any it is the zero value.
func Open(f Files) (*Trust, error) {
	t := &Trust{}
	if f.CAFile != "" {
		// An image from scratch may have no authorities at all; then ours are all that there are.
		system, err := x509.SystemCertPool()
		if err != nil {
			system = x509.NewCertPool()
		}
		if t.roots, err = authorities(f.Section+".ca_file", f.CAFile, system); err != nil {
			return nil, err
		}
	}
	if f.CertFile == "" {
		return t, nil
	}
	var err error
	t.pair, err = newPair(f.Section, f.CertFile, f.KeyFile, f.now(), f.Log)
	return t, err
}

// Config is for one client. It is the caller's own, to change as it likes.
func (t *Trust) Config() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return cfg
	}
	cfg.RootCAs = t.roots // never written to, so sharing it is safe
	if own := t.pair; own != nil {
		// It is shown to whoever asks for one, whichever authorities they name: some servers name none, or an intermediate one.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.certificate(), nil }
	}
	return cfg
}

// Transport is the standard library's, with this trust. It is the caller's own.
func (t *Trust) Transport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = t.Config()
	return transport
}

// Listening is the TLS of a listener: its certificate, and with CAFile the demand that every client shows one of those authorities.
func Listening(f Files) (*tls.Config, error) {
	own, err := newPair(f.Section, f.CertFile, f.KeyFile, f.now(), f.Log)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.certificate(), nil }}
	if f.CAFile == "" {
		return cfg, nil
	}
	if cfg.ClientCAs, err = authorities(f.Section+".client_ca_file", f.CAFile, x509.NewCertPool()); err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	return cfg, nil
}

// authorities adds those of a file to others. key names it in the policy.
func authorities(key, path string, to *x509.CertPool) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !to.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read %s: %s holds no certificate: it takes those of authorities, in PEM (-----BEGIN CERTIFICATE-----)", key, path)
	}
	return to, nil
}

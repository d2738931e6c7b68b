package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
)

// server is a running firebreak, as the commands that read from it are told where it is.
type server struct {
	Server string `help:"The running server ($FIREBREAK_SERVER)." default:"http://127.0.0.1:9095" from:"FIREBREAK_SERVER" placeholder:"URL"`
	Token  string `help:"Token of its API; better given by $FIREBREAK_TOKEN." from:"FIREBREAK_TOKEN" placeholder:"TOKEN"`
	CA     string `help:"Certificate authority of an https server that the system does not know ($FIREBREAK_CA)." name:"ca" from:"FIREBREAK_CA" type:"path" placeholder:"FILE"`
	Cert   string `help:"Client certificate, if the server wants one ($FIREBREAK_CERT)." from:"FIREBREAK_CERT" type:"path" placeholder:"FILE"`
	Key    string `help:"Its private key ($FIREBREAK_KEY)." from:"FIREBREAK_KEY" type:"path" placeholder:"FILE"`
}

// fromVariables gives flags that were not written the value of the variable that they name. The library reads variables
// only of its own process, and a test has its own.
func fromVariables(env func(string) (string, bool)) kong.Option {
	return kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
		name := f.Tag.Get("from")
		if name == "" {
			return nil, nil
		}
		if v, ok := env(name); ok && v != "" {
			return v, nil
		}
		return nil, nil
	}))
}

// client is what asks the server.
func (s server) client() (*http.Client, error) {
	if s.CA == "" && s.Cert == "" && s.Key == "" {
		return http.DefaultClient, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("read --ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read --ca: %s holds no certificate", s.CA)
		}
	}
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("read --cert and --key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}, nil
}

// get asks for a path of the API. The body must be closed.
func (s server) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	req, err := s.request(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	return s.send(req)
}

// request is one to a path of the API, with the token if there is one.
func (s server) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	base, err := url.Parse(s.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("--server %q: write it with its scheme, such as http://127.0.0.1:9095", s.Server)
	}
	u := strings.TrimRight(s.Server, "/") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, fmt.Errorf("read --server: %w", err)
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	return req, nil
}

// send returns the body of what is answered well. It must be closed.
func (s server) send(req *http.Request) (io.ReadCloser, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
			return nil, fmt.Errorf("ask the server at %s: its certificate is of an authority that this machine does not know (--ca or FIREBREAK_CA names it): %w", s.Server, err)
		}
		return nil, fmt.Errorf("ask the server at %s (is \"firebreak serve\" running there? --server names another): %w", s.Server, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&said)
	if resp.StatusCode == http.StatusUnauthorized {
		said.Error += " (set FIREBREAK_TOKEN)"
	}
	return nil, fmt.Errorf("the server answered %s: %s", resp.Status, clean(said.Error, 0))
}

// eachLine decodes one JSON object a line.
func eachLine[T any](r io.Reader, fn func(T, []byte) error) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 && err == nil {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return fmt.Errorf("read the server's answer: %w", err)
			}
			if err := fn(v, line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return errors.New("read the server's answer: it ended in the middle of a line")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the server's answer: %w", err)
		}
	}
}

// clean makes text that strangers wrote safe for a terminal: no control characters, no second line, nothing that turns the direction
// of what follows, not endless.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); limit > 0 && len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

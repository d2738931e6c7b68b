package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A server that lives is well, and one that is gone is not.
func TestHealthOfAServer(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	for _, args := range [][]string{{"health"}, {"health", "--ready"}} {
		code, stdout, stderr := firebreak(t, nil, append(args, "--server", s.url)...)
		if code != 0 || stdout != "ok\n" || stderr != "" {
			t.Errorf("%v: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if code := s.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
	code, stdout, stderr := firebreak(t, nil, "health", "--server", s.url)
	if code != 1 || stdout != "" || !strings.Contains(stderr, "ask the server at "+s.url) {
		t.Errorf("without a server: code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// Whatever is not a plain yes of Firebreak is a no, with its reason in one line, and no token is ever shown to who is asked.
func TestHealthFailsClosed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		code int
		body string
		want string
	}{
		{name: "bus down", args: []string{"--ready"}, code: 503, body: `{"ready":false,"not_ready":{"bus":"no\nleader"}}`, want: "503 Service Unavailable: bus: no leader"},
		{name: "a no with 200", args: []string{"--ready"}, code: 200, body: `{"ready":false}`, want: "not ready"},
		{name: "somebody else", args: []string{"--ready"}, code: 200, body: "<html>", want: "is not Firebreak"},
		{name: "a redirect", code: 302, want: "302 Found"},
		{name: "an error", code: 500, want: "500 Internal Server Error"},
		{name: "slow", args: []string{"--timeout", "50ms"}, want: "deadline exceeded"},
		{name: "no time", args: []string{"--timeout", "0s"}, code: 200, want: "--timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("a token was presented")
				}
				if test.code == 0 {
					<-ended
					return
				}
				w.Header().Set("Location", "/readyz")
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.body))
			}))
			t.Cleanup(server.Close)
			env := environment{"FIREBREAK_SERVER": server.URL, "FIREBREAK_TOKEN": "0123456789abcdef"}
			code, stdout, stderr := firebreak(t, env, append([]string{"health"}, test.args...)...)
			close(ended)
			if code != 1 || stdout != "" || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("code %d, stdout %q, stderr %q, want 1 and one line with %q", code, stdout, stderr, test.want)
			}
		})
	}
}

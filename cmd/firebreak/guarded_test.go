package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/firebreak-sre/firebreak/receiver"
)

// Without tokens only this machine reads the API, or who has shown a certificate; with tokens only who has one.
func TestWhoReadsTheAPI(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-the-api"
	tests := map[string]struct {
		tokens    []string
		certified bool
		from      string
		bearer    string
		want      int
	}{
		"no token set, from here":            {from: "127.0.0.1:4711", want: http.StatusOK},
		"no token set, from here by IPv6":    {from: "[::1]:4711", want: http.StatusOK},
		"no token set, from elsewhere":       {from: "192.0.2.7:4711", want: http.StatusUnauthorized},
		"no token set, with a certificate":   {certified: true, from: "192.0.2.7:4711", want: http.StatusOK},
		"an address that cannot be read":     {from: "@", want: http.StatusUnauthorized},
		"token set, from here without it":    {tokens: []string{token}, from: "127.0.0.1:4711", want: http.StatusUnauthorized},
		"token set, from elsewhere with it":  {tokens: []string{token}, from: "192.0.2.7:4711", bearer: token, want: http.StatusOK},
		"token set, from elsewhere, another": {tokens: []string{token}, from: "192.0.2.7:4711", bearer: token + "x", want: http.StatusUnauthorized},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &guarded{auth: receiver.Auth{Tokens: tc.tokens}, certified: tc.certified,
				next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })}
			r := httptest.NewRequest(http.MethodGet, "/api/v1/incidents", nil)
			r.RemoteAddr = tc.from
			if tc.bearer != "" {
				r.Header.Set("Authorization", "Bearer "+tc.bearer)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("answered %d, want %d: %s", w.Code, tc.want, w.Body)
			}
		})
	}
}

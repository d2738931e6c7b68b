package canarytest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// maxHeard bounds what is kept of one request's body.
const maxHeard = 8 << 20

// heard is one part of what somebody was sent.
type heard struct {
	// where is "slack: header Authorization": who heard it, and in what.
	where string
	text  []byte
}

// ear keeps everything that was sent to anybody.
type ear struct {
	mu  sync.Mutex // guards all
	all []heard
}

func (e *ear) keep(where string, text []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, heard{where, slices.Clone(text)})
}

func (e *ear) everything() []heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// count is how many requests somebody got.
func (e *ear) count(who string) int {
	n := 0
	for _, h := range e.everything() {
		if h.where == who+": url" {
			n++
		}
	}
	return n
}

// request keeps all parts of a request, and gives its body back.
func (e *ear) request(who string, r *http.Request) []byte {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxHeard)) // a body that is cut off was heard as far as it came
	r.Body = io.NopCloser(bytes.NewReader(body))
	e.keep(who+": url", []byte(r.Method+" "+r.Host+r.RequestURI))
	for name, values := range r.Header {
		for _, v := range values {
			e.keep(who+": header "+name, []byte(v))
			if user, password, ok := r.BasicAuth(); ok && name == "Authorization" {
				e.keep(who+": header "+name, []byte(user+" "+password))
			}
		}
	}
	e.keep(who+": body", body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		e.unpacked(who, body)
	}
	return body
}

// unpacked keeps what is in a compressed body, as spans are sent.
func (e *ear) unpacked(who string, body []byte) {
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return // it was kept as it came
	}
	text, _ := io.ReadAll(io.LimitReader(zip, maxHeard)) // as far as it can be read
	e.keep(who+": body", text)
}

// listen serves for somebody, with everything heard.
func (e *ear) listen(t *testing.T, who string, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.request(who, r)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// before listens in front of another server.
func (e *ear) before(t *testing.T, who, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("read the address of %s: %v", who, err)
	}
	return e.listen(t, who, httputil.NewSingleHostReverseProxy(u))
}

// well answers 200 to anything.
func well() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }) // the client may be gone
}

// parrot says back what it hears: headers and body of the request, in each shape in which somebody may expect an error, one after the
// other. No two answers in a row are of the same shape.
type parrot struct {
	// elsewhere is where it sends people.
	elsewhere string

	mu   sync.Mutex // guards turn
	turn int
}

// ServeHTTP answers badly.
func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	turn := p.turn
	p.turn++
	p.mu.Unlock()
	said := saidBack(r)
	shapes := p.shapes()
	shapes[turn%len(shapes)](w, r, said)
}

// saidBack is all of a request in one line.
func saidBack(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	user, password, _ := r.BasicAuth()
	return fmt.Sprintf("you said %s %s %v %s %s %s", r.Method, r.RequestURI, r.Header["Authorization"], user+password, body, r.Header)
}

type shape func(w http.ResponseWriter, r *http.Request, said string)

func (p *parrot) shapes() []shape {
	return []shape{
		func(w http.ResponseWriter, _ *http.Request, said string) {
			http.Error(w, said, http.StatusUnauthorized)
		},
		func(w http.ResponseWriter, _ *http.Request, said string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":%[1]q,"errorType":%[1]q,"error":%[1]q,"message":%[1]q,"errors":[%[1]q],"code":400,"ok":false}`, said)
		},
		func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, p.elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
		},
		func(w http.ResponseWriter, _ *http.Request, said string) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"status":"error","errorType":%[1]q,"error":%[1]q,"ok":false,"state":%[1]q,"plan":%[1]q,"edges":{"search":{"calls":%[1]q}}}`, said)
		},
		func(w http.ResponseWriter, _ *http.Request, said string) { raw(w, "HTTP/1.1 "+said+"\r\n\r\n") },
		func(w http.ResponseWriter, r *http.Request, said string) {
			w.Header().Set("Location", "http://[::1"+r.Header.Get("Authorization")+url.PathEscape(said))
			w.WriteHeader(http.StatusPermanentRedirect)
		},
		func(w http.ResponseWriter, _ *http.Request, said string) { raw(w, said+"\r\n\r\n") },
		func(w http.ResponseWriter, _ *http.Request, said string) { _, _ = io.WriteString(w, said) },
		func(w http.ResponseWriter, _ *http.Request, said string) {
			http.Error(w, said, http.StatusServiceUnavailable)
		},
	}
}

// raw answers with what is no HTTP.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

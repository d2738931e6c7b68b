package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test's binary the command firebreak too, for the scripts in testdata/script.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"firebreak": main})
}

// serveStarts bounds how long a server may take until it is ready, on a busy machine.
const serveStarts = 30 * time.Second

// output is what a command prints, readable while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// environment is what a command sees of its environment variables.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// served is "firebreak serve", running inside of the test.
type served struct {
	// url is what the line on stdout says.
	url            string
	stdout, stderr *output
	stop           context.CancelFunc
	code           int           // read only after ended is closed
	ended          chan struct{} // closed when it has ended
}

// serve runs "firebreak serve" until it is stopped, at the latest when the test ends, and returns when it says that it is ready.
func serve(t *testing.T, env environment, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{stdout: &output{}, stderr: &output{}, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.code = run(ctx, append([]string{"serve"}, args...), env.lookup, s.stdout, s.stderr)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.ended
		if t.Failed() {
			t.Logf("what serve logged:\n%s", tail(s.stderr.String(), 64<<10))
		}
	})
	ready := regexp.MustCompile(`(?m)^firebreak is ready: alerts to (https?://\S+)/webhook \(.*\)$`)
	testbed.Await(t, serveStarts, "the line that says that the server is ready", func() bool {
		if m := ready.FindStringSubmatch(s.stdout.String()); m != nil {
			s.url = m[1]
			return true
		}
		select {
		case <-s.ended:
			t.Fatalf("serve ended with %d before it was ready: %s", s.code, s.stderr)
		default:
		}
		return false
	})
	return s
}

// end stops the server as a signal does, and returns its exit code.
func (s *served) end() int {
	s.stop()
	<-s.ended
	return s.code
}

// firebreak runs one command and returns its exit code and what it printed.
func firebreak(t *testing.T, env environment, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env.lookup, &out, &errs)
	return code, out.String(), errs.String()
}

// must runs one command that succeeds, and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := firebreak(t, nil, args...)
	if code != 0 || stderr != "" {
		t.Fatalf("firebreak %s: got exit %d and on stderr %q, want 0 and nothing", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// writeFile writes a file of the test's own and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tail(s string, limit int) string {
	if len(s) > limit {
		return "…" + s[len(s)-limit:]
	}
	return s
}

// readAll reads and closes a body.
func readAll(t *testing.T, body io.ReadCloser) string {
	t.Helper()
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

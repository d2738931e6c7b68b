package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The command line does what a user who types it is promised: each script of testdata/script is one user's session.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would hold up the end of each command for a second
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "ready": scriptReady, "http": scriptHTTP, "json": scriptJSON, "escape": scriptEscape, "await": scriptAwait,
		},
	})
}

// scriptExits is "exits CODE command…": the command ends with exactly that code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// scriptReady is "ready file": it waits for the line that a server in the background writes into the file, and sets SERVER
// to the address in it.
func scriptReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready file")
	}
	line := regexp.MustCompile(`(?m)^firebreak is ready: alerts to (https?://127\.0\.0\.1:[0-9]+)/webhook \(.*\)$`)
	path := ts.MkAbs(args[0])
	await(ts, "the ready line in "+args[0], func() bool {
		text, err := os.ReadFile(path)
		m := line.FindSubmatch(text)
		if err != nil || m == nil {
			return false
		}
		ts.Setenv("SERVER", string(m[1]))
		return true
	})
}

// scriptAwait is "await text command…": it runs the command until it prints the text.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await text command...")
	}
	await(ts, args[0], func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && strings.Contains(ts.ReadFile("stdout"), args[0])
	})
}

func await(ts *testscript.TestScript, what string, done func() bool) {
	deadline := time.NewTimer(serveStarts)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("waited %s in vain for %s", serveStarts, what)
		}
	}
}

// scriptHTTP is "http STATUS METHOD url [file]": it sends the file, if there is one, wants that status, and what is answered
// becomes stdout.
func scriptHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: http status method url [file]")
	}
	var body io.Reader
	if len(args) == 4 {
		body = strings.NewReader(ts.ReadFile(args[3]))
	}
	req, err := http.NewRequest(args[1], args[2], body)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(answer)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("got %s, want %s", resp.Status, args[0])
	}
}

// scriptJSON is "json file [N]": the file is one JSON document, or N of them, one a line.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: json file [lines]")
	}
	text := ts.ReadFile(args[0])
	if len(args) == 1 {
		if !json.Valid([]byte(text)) {
			ts.Fatalf("%s is not JSON", args[0])
		}
		return
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if !json.Valid([]byte(line)) || !strings.HasPrefix(line, "{") {
			ts.Fatalf("line %d of %s is not one JSON object: %s", n, args[0], line)
		}
	}
	if strconv.Itoa(n) != args[1] {
		ts.Fatalf("got %d lines in %s, want %s", n, args[0], args[1])
	}
}

// scriptEscape is "escape file": nothing in the file, nor in what was printed last, can steer a terminal.
func scriptEscape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: escape file")
	}
	text := []byte(ts.ReadFile(args[0]))
	bad := regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f\x{80}-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]`)
	if at := bad.FindIndex(text); at != nil {
		line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
		ts.Fatalf("line %d of %s holds %q", line, args[0], text[at[0]:at[1]])
	}
}

package main

import (
	"os"
	"testing"
)

// A line is drawn on a terminal that can, and not for CI, in a dumb one, or in a file.
func TestDrawable(t *testing.T) {
	t.Parallel()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("open a pseudo terminal: %v", err)
	}
	defer pty.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		stderr *os.File
		env    environment
		want   bool
	}{
		{pty, environment{}, true},
		{pty, environment{"NO_COLOR": "1"}, true}, // it has no colour
		{pty, environment{"CI": "true"}, false},
		{pty, environment{"CI": "false"}, true},
		{pty, environment{"TERM": "dumb"}, false},
		{file, environment{}, false},
	} {
		if got := drawable(&app{stderr: c.stderr, env: c.env.lookup}) > 0; got != c.want {
			t.Errorf("%s with %v: got %t, want %t", c.stderr.Name(), c.env, got, c.want)
		}
	}
}

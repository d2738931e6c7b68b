// Package deploytest_test holds what is in deploy/ against the programs that will read it: nothing there is only written down.
package deploytest_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// read is a file below deploy/.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tool is a program that must be there, with the Debian package that has it.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: install the Debian package %s (apt-get install --no-install-recommends %s), or run scripts/test, which does", name, from, from)
	}
	return path
}

// runs runs a program that must end well, and returns what it printed.
func runs(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// product is a Firebreak that serves as a process of its own.
type product struct {
	*testbed.Process
	binary, url string
	began       time.Time
}

// serveProduct starts the binary as it is shipped, and waits until it is ready.
func serveProduct(t *testing.T, env []string, args ...string) *product {
	t.Helper()
	p := &product{binary: os.Getenv(binaryVariable), began: time.Now()}
	p.Process = testbed.Start(t, testbed.Command{Name: "firebreak", Path: p.binary,
		Args: append([]string{"serve"}, args...), Env: slices.Concat(os.Environ(), env)})
	ready := regexp.MustCompile(`firebreak is ready: alerts to (\S+)/webhook`)
	testbed.Await(t, time.Minute, "the line that says that firebreak is ready", func() bool {
		select {
		case <-p.Ended():
			t.Fatalf("it ended before it was ready:\n%s", p.Log())
		default:
		}
		m := ready.FindStringSubmatch(p.Log())
		if m != nil {
			p.url = m[1]
		}
		return m != nil
	})
	return p
}

// run runs one command against it.
func (p *product) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "FIREBREAK_SERVER="+p.url)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

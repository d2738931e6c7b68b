// Command testcount reads what "go test -json" writes. It prints one line for each package, all that the failed tests and
// builds printed, and at last "N passed, M failed". It exits with 1 if anything failed, or if nothing was run at all.
//
// What is counted are individual tests: a test with subtests counts as those, or as itself if it failed outside of them.
// A package that failed without a failed test (it did not compile, or crashed) counts as one failure.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	failed, err := run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}

// event is one line of go test -json, see "go doc test2json" and "go help buildjson".
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build
	FailedBuild string // the build that a package failed for
	Test        string
	Elapsed     float64
	Output      string
}

// counter adds up events.
type counter struct {
	out      io.Writer
	passed   int
	failed   int
	packages map[string]*pkg
	builds   map[string]*strings.Builder // what a build printed
}

// pkg is one package while its tests run.
type pkg struct {
	tests  map[string]*test
	output strings.Builder // what belongs to no test
	passed int
	failed int
}

// test is one test while it runs.
type test struct {
	output   strings.Builder
	hasChild bool
	// childFailed says that a subtest failed, which makes its parents fail too.
	childFailed bool
}

// run counts until the input ends.
func run(in io.Reader, out io.Writer) (failed bool, err error) {
	c := &counter{out: out, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			c.line(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return true, fmt.Errorf("read events: %w", err)
		}
	}
	for name, p := range c.packages {
		c.end(name, p, event{Action: "fail", Output: "the run ended before this package did"})
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", c.passed, c.failed)
	if c.passed+c.failed == 0 {
		return true, errors.New("count tests: there were none")
	}
	return c.failed > 0, nil
}

// line takes one line. What is no event is passed on: the go command says some things in plain words.
func (c *counter) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		fmt.Fprintf(c.out, "%s\n", strings.TrimRight(string(line), "\n"))
		return
	}
	switch {
	case e.Action == "build-output":
		c.build(e.ImportPath).WriteString(e.Output)
	case e.Package == "":
	case e.Test != "":
		c.testEvent(c.pkg(e.Package), e)
	case e.Action == "output":
		c.pkg(e.Package).output.WriteString(e.Output)
	case e.Action == "pass", e.Action == "fail", e.Action == "skip":
		c.end(e.Package, c.pkg(e.Package), e)
	}
}

func (c *counter) pkg(name string) *pkg {
	if c.packages[name] == nil {
		c.packages[name] = &pkg{tests: map[string]*test{}}
	}
	return c.packages[name]
}

func (c *counter) build(name string) *strings.Builder {
	if c.builds[name] == nil {
		c.builds[name] = &strings.Builder{}
	}
	return c.builds[name]
}

// testEvent takes an event of one test.
func (c *counter) testEvent(p *pkg, e event) {
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
		for parent := range parents(p, e.Test) {
			parent.hasChild = true
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass":
		if !t.hasChild {
			p.passed++
		}
		t.output.Reset()
	case "fail":
		if !t.childFailed {
			p.failed++
		}
		for parent := range parents(p, e.Test) {
			parent.childFailed = true
		}
		fmt.Fprintf(c.out, "--- failed: %s %s\n%s", e.Package, e.Test, t.output.String())
		t.output.Reset()
	case "skip":
		fmt.Fprintf(c.out, "--- skipped: %s %s\n%s", e.Package, e.Test, t.output.String())
		t.output.Reset()
	}
}

// parents are the tests that a subtest belongs to.
func parents(p *pkg, name string) func(func(*test) bool) {
	return func(yield func(*test) bool) {
		for i, r := range name {
			if r == '/' && p.tests[name[:i]] != nil && !yield(p.tests[name[:i]]) {
				return
			}
		}
	}
}

// end closes a package and says how it went.
func (c *counter) end(name string, p *pkg, e event) {
	delete(c.packages, name)
	if e.Action != "fail" {
		if p.passed > 0 {
			fmt.Fprintf(c.out, "ok   %s: %d tests, %.1fs\n", name, p.passed, e.Elapsed)
		}
		c.passed += p.passed
		return
	}
	if p.failed == 0 {
		p.failed = 1
		fmt.Fprintf(c.out, "--- failed: %s, outside of any failed test\n%s", name, p.output.String())
		if e.Output != "" {
			fmt.Fprintln(c.out, e.Output)
		}
		if build := c.builds[e.FailedBuild]; build != nil {
			fmt.Fprint(c.out, build.String())
		}
		for test, t := range p.tests {
			if t.output.Len() > 0 {
				fmt.Fprintf(c.out, "--- unfinished: %s %s\n%s", name, test, t.output.String())
			}
		}
	}
	fmt.Fprintf(c.out, "FAIL %s: %d passed, %d failed, %.1fs\n", name, p.passed, p.failed, e.Elapsed)
	c.passed += p.passed
	c.failed += p.failed
}

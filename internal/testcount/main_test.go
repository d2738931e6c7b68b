package main

import (
	"strings"
	"testing"
)

// The last line counts individual tests, and everything that a failed one printed is shown.
func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events string
		want   string
		failed bool
	}{
		{
			name: "subtests count, their parents do not, and what passed is silent",
			events: `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"quiet\n"}
{"Action":"run","Package":"m/a","Test":"TestA/x"}
{"Action":"run","Package":"m/a","Test":"TestA/x/y"}
{"Action":"pass","Package":"m/a","Test":"TestA/x/y","Elapsed":0.1}
{"Action":"pass","Package":"m/a","Test":"TestA/x","Elapsed":0.1}
{"Action":"run","Package":"m/a","Test":"TestA/z"}
{"Action":"pass","Package":"m/a","Test":"TestA/z","Elapsed":0.1}
{"Action":"pass","Package":"m/a","Test":"TestA","Elapsed":0.2}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"pass","Package":"m/a","Elapsed":0.3}
{"Action":"skip","Package":"m/none","Elapsed":0}
`,
			want: "ok   m/a: 2 tests, 0.3s\n2 passed, 0 failed\n",
		},
		{
			name: "a failed subtest is one failure, and so is a parent that failed by itself",
			events: `go: downloading something
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"run","Package":"m/a","Test":"TestA/x"}
{"Action":"output","Package":"m/a","Test":"TestA/x","Output":"wrong\n"}
{"Action":"fail","Package":"m/a","Test":"TestA/x","Elapsed":0.1}
{"Action":"fail","Package":"m/a","Test":"TestA","Elapsed":0.1}
{"Action":"run","Package":"m/a","Test":"TestB"}
{"Action":"run","Package":"m/a","Test":"TestB/y"}
{"Action":"pass","Package":"m/a","Test":"TestB/y","Elapsed":0.1}
{"Action":"fail","Package":"m/a","Test":"TestB","Elapsed":0.1}
{"Action":"skip","Package":"m/a","Test":"TestC","Elapsed":0}
{"Action":"fail","Package":"m/a","Elapsed":1.25}
`,
			want: `go: downloading something
--- failed: m/a TestA/x
wrong
--- failed: m/a TestA
--- failed: m/a TestB
--- skipped: m/a TestC
FAIL m/a: 1 passed, 2 failed, 1.2s
1 passed, 2 failed
`,
			failed: true,
		},
		{
			name: "what does not compile is a failure",
			events: `{"ImportPath":"m/a [m/a.test]","Action":"build-output","Output":"a.go:1: undefined: x\n"}
{"ImportPath":"m/a [m/a.test]","Action":"build-fail"}
{"Action":"start","Package":"m/a"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a [build failed]\n"}
{"Action":"fail","Package":"m/a","Elapsed":0,"FailedBuild":"m/a [m/a.test]"}
`,
			want: `--- failed: m/a, outside of any failed test
FAIL	m/a [build failed]
a.go:1: undefined: x
FAIL m/a: 0 passed, 1 failed, 0.0s
0 passed, 1 failed
`,
			failed: true,
		},
		{
			name: "a crash shows the test that did not end",
			events: `{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"last words\n"}
{"Action":"output","Package":"m/a","Output":"exit status 3\n"}
{"Action":"fail","Package":"m/a","Elapsed":0.5}
`,
			want: `--- failed: m/a, outside of any failed test
exit status 3
--- unfinished: m/a TestA
last words
FAIL m/a: 0 passed, 1 failed, 0.5s
0 passed, 1 failed
`,
			failed: true,
		},
		{
			name: "a run that was cut off is a failure, and half a line is no event",
			events: `{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a","Test":"TestA"}
{"Action":"pa`,
			want: `{"Action":"pa
--- failed: m/a, outside of any failed test
the run ended before this package did
FAIL m/a: 1 passed, 1 failed, 0.0s
1 passed, 1 failed
`,
			failed: true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			failed, err := run(strings.NewReader(test.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want || failed != test.failed {
				t.Errorf("got failed %t and\n%s\nwant failed %t and\n%s", failed, out.String(), test.failed, test.want)
			}
		})
	}
}

// A run without any test is not a success.
func TestNothingRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	failed, err := run(strings.NewReader(""), &out)
	if !failed || err == nil || out.String() != "0 passed, 0 failed\n" {
		t.Errorf("got %t, %v, %q, want a failure", failed, err, out.String())
	}
}

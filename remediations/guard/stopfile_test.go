//go:build unix

package guard_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// Whatever is at the path stops, and so does a path of which nobody can tell what is there. Only a clear absence does not.
func TestStopFile(t *testing.T) {
	t.Parallel()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		make  func(dir string) string // makes something and returns the path of the stop file
		want  remediations.Reason
		words string
	}{
		{"absent", func(dir string) string { return filepath.Join(dir, "STOP") }, "", ""},
		{"folder absent", func(dir string) string { return filepath.Join(dir, "no", "STOP") }, "", ""},
		{"empty file", func(dir string) string {
			do(os.WriteFile(filepath.Join(dir, "STOP"), nil, 0o600))
			return filepath.Join(dir, "STOP")
		},
			remediations.ReasonKillSwitch, "STOP exists"},
		{"folder", func(dir string) string { return dir }, remediations.ReasonKillSwitch, "exists"},
		{"dangling link", func(dir string) string {
			do(os.Symlink("nowhere", filepath.Join(dir, "STOP")))
			return filepath.Join(dir, "STOP")
		}, remediations.ReasonKillSwitch, "exists"},
		{"link to a file", func(dir string) string {
			do(os.WriteFile(filepath.Join(dir, "why"), []byte("\n\n  because \n"), 0o600))
			do(os.Symlink("why", filepath.Join(dir, "STOP")))
			return filepath.Join(dir, "STOP")
		}, remediations.ReasonKillSwitch, "exists: because"},
		{"pipe", func(dir string) string {
			do(syscall.Mkfifo(filepath.Join(dir, "STOP"), 0o600))
			return filepath.Join(dir, "STOP")
		}, remediations.ReasonKillSwitch, "exists"},
		{"big file", func(dir string) string {
			do(os.WriteFile(filepath.Join(dir, "STOP"), []byte(strings.Repeat("a\xff", 1<<20)), 0o600))
			return filepath.Join(dir, "STOP")
		}, remediations.ReasonKillSwitch, "…"},
		{"below a file", func(dir string) string {
			do(os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
			return filepath.Join(dir, "file", "STOP")
		}, remediations.ReasonKillSwitch, "nobody can tell"},
		{"loop of links", func(dir string) string {
			do(os.Symlink("loop", filepath.Join(dir, "loop")))
			return filepath.Join(dir, "loop", "STOP")
		}, remediations.ReasonKillSwitch, "nobody can tell"},
		{"name too long", func(dir string) string { return filepath.Join(dir, strings.Repeat("x", 300)) },
			remediations.ReasonKillSwitch, "nobody can tell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := guard.NewBrake(&paper{}, c.make(t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			no := b.Check(t.Context(), "h", "d", noon())
			wantNo(t, c.name, no, c.want, c.words)
			const unsure = "nobody can tell"
			if no != nil && c.words != unsure && strings.Contains(no.Words, unsure) {
				t.Errorf("got words %q, but the file is there", no.Words)
			}
			if no != nil && len(no.Words) > 3000 {
				t.Errorf("the words have %d bytes", len(no.Words))
			}
		})
	}
}

// A path is made absolute, since whoever reads it in a refusal is elsewhere.
func TestStopFilePathIsAbsolute(t *testing.T) {
	t.Parallel()
	b, err := guard.NewBrake(&paper{}, "firebreak.stop")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Read(t.Context(), noon()).Switches[1].Path; !filepath.IsAbs(got) {
		t.Errorf("got %q", got)
	}
}

package modelbreaks

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the module's.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each break compiles, and the model notices it.
func TestBreaksAreCaught(t *testing.T) {
	t.Parallel()
	all := breakages()
	caught := make([]string, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				var err error
				if caught[i], err = all[i].run(t, root(t), t.TempDir()); err != nil {
					t.Errorf("%s: %v", all[i].name, err)
				}
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	var table strings.Builder
	for i, b := range all {
		fmt.Fprintf(&table, "\n| %s | %s |", b.name, caught[i])
	}
	t.Logf("\n| break | caught by |\n|---|---|%s", table.String())
}

// run builds the model with the break in it, and says what the model found. A short run plays the episode that noticed this break before, and
// looks through all of them only if that one notices nothing any more: what an episode is changes with the kernel. A long run always
// looks through all of them, and for the shortest schedule.
func (b breakage) run(t *testing.T, root, dir string) (string, error) {
	overlay, err := b.overlay(root, dir)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "model.test")
	// Without its symbols it is linked in half the time.
	build := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./handlers/modeltest")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	if b.episode != 0 && os.Getenv("FIREBREAK_LONG") != "1" {
		out, err := b.play(binary, dir, b.episode)
		if err != nil {
			return finding(out)
		}
		t.Logf("%s: episode %d does not notice it any more; renew its number in the list", b.name, b.episode)
	}
	out, err := b.play(binary, dir, 0)
	if err == nil {
		return "", fmt.Errorf("nothing failed")
	}
	return finding(out)
}

// play runs the broken model, one episode of it, or all if that is 0. It is an error if the model notices the break, as it must.
func (b breakage) play(binary, dir string, episode int) ([]byte, error) {
	test, seed := b.test, ""
	if test == "" {
		test = "TestModel$"
	}
	if episode != 0 {
		seed = strconv.Itoa(episode)
	}
	run := exec.Command(binary, "-test.run", test, "-test.timeout", "5m")
	run.Dir, run.Env = dir, append(os.Environ(), "FIREBREAK_EPISODES=300", "FIREBREAK_SEED="+seed, "FIREBREAK_STEPS=", "FIREBREAK_LONG=")
	return run.CombinedOutput()
}

// finding is what the model says first, without what names this run.
func finding(out []byte) (string, error) {
	names := regexp.MustCompile(`model-[0-9a-f]{12}-\d+|[0-9a-f]{20}`)
	if m := regexp.MustCompile(`(?m)seed (\d+) fails after (\d+) steps: (.*)$`).FindSubmatch(out); m != nil {
		return fmt.Sprintf("%.110s (seed %s, %s steps)", names.ReplaceAll(m[3], []byte("…")), m[1], m[2]), nil
	}
	if m := regexp.MustCompile(`--- FAIL: (\S+) .*\n\s+\S+_test\.go:\d+: (.*)`).FindSubmatch(out); m != nil {
		return fmt.Sprintf("%.110s (%s)", names.ReplaceAll(m[2], []byte("…")), m[1]), nil
	}
	return "", fmt.Errorf("it failed without a finding:\n%.2000s", out)
}

// overlay writes the broken files, and the list that has the compiler read them in place of the real ones.
func (b breakage) overlay(root, dir string) (string, error) {
	texts := map[string]string{}
	for _, e := range b.edits {
		text, ok := texts[e.file]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s holds %q %d times, want once: the break must follow the code", e.file, e.old, n)
		}
		texts[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	list := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range texts {
		broken := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
			return "", err
		}
		list.Replace[filepath.Join(root, file)] = broken
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, raw, 0o600)
}

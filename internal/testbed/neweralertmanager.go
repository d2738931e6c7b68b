package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// NewerAlertmanagerVersion is the version that [NewerAlertmanager] builds: the one whose client the product is built with.
const NewerAlertmanagerVersion = "v0.34.2"

const (
	alertmanagerModule = "github.com/prometheus/alertmanager"
	// buildWithin is how long building it may take, with everything that must be downloaded first.
	buildWithin = 9 * time.Minute
)

// NewerAlertmanager is the path of an Alertmanager that is newer than Debian's. It is built once from its Go module, into a folder of the
// user's cache, which takes a minute or more and needs the module proxy; afterwards it is only looked up. FIREBREAK_TEST_CACHE names another
// folder.
//
// The module has all of the program but its user interface, whose files are made at a release, so this one shows an empty page. It is built
// with the versions that its own module names; ours has no part in it.
func NewerAlertmanager(t TB) string {
	t.Helper()
	path, err := newerAlertmanager()
	if err != nil {
		t.Fatalf("testbed: build Alertmanager %s: %v\nit is built from its Go module, so the module proxy (go env GOPROXY) must answer once",
			NewerAlertmanagerVersion, err)
	}
	return path
}

func newerAlertmanager() (string, error) {
	cache := os.Getenv("FIREBREAK_TEST_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			base = os.TempDir() // who has no home keeps it for as long as that lasts
		}
		cache = filepath.Join(base, "firebreak-testbed")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(cache, "alertmanager-"+NewerAlertmanagerVersion)
	// Several test processes may want it at once: one builds, the others wait.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, buildAlertmanager(cache, path)
}

// buildAlertmanager builds it in a copy of its module, and puts it in place only when it is whole.
func buildAlertmanager(cache, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left is only in the way of a full disk
	told, err := goTool(ctx, work, "mod", "download", "-json", alertmanagerModule+"@"+NewerAlertmanagerVersion)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(told, &module); err != nil {
		return fmt.Errorf("read where the module is: %w", err)
	}
	source, page := filepath.Join(work, "source"), filepath.Join(work, "source", "ui", "app", "dist", "index.html")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return fmt.Errorf("copy the module: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte("<!doctype html><title>Alertmanager</title>\n"), 0o644); err != nil {
		return err
	}
	built := filepath.Join(work, "alertmanager")
	version := "-X github.com/prometheus/common/version.Version=" + NewerAlertmanagerVersion[1:]
	if _, err := goTool(ctx, source, "build", "-trimpath", "-ldflags", version, "-o", built, "./cmd/alertmanager"); err != nil {
		return err
	}
	return os.Rename(built, path)
}

// goTool runs the go command outside of our module and gives what it says.
func goTool(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w: %s%s", args[0], err, out.Bytes(), wrong.Bytes())
	}
	return out.Bytes(), nil
}

package canarytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// room is a test whose temporary folder is known: what its processes print is read there, whole.
type room struct {
	*testing.T
	dir string
}

// TempDir is that folder.
func (r room) TempDir() string { return r.dir }

// product is one Firebreak with everything that comes out of it.
type product struct {
	t       *testing.T
	bin     string
	dir     string // where it runs, and where its temporary files go
	planted planting
	haul    *haul
	url     string
	serving *testbed.Process
}

func newProduct(t *testing.T, bin string, p planting, h *haul) *product {
	t.Helper()
	x := &product{t: t, bin: bin, dir: t.TempDir(), planted: p, haul: h}
	for _, sub := range []string{"run", "tmp", "printed", "out"} {
		if err := os.MkdirAll(filepath.Join(x.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// environment is that of its processes, and nothing of ours but what programs need.
func (x *product) environment(more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + x.dir, "TMPDIR=" + filepath.Join(x.dir, "tmp"), "GOTRACEBACK=all"}
	for name, value := range x.planted.env {
		env = append(env, name+"="+value)
	}
	return append(env, more...)
}

// serve starts it as talkative as it can be, and waits until it is ready.
func (x *product) serve() {
	x.t.Helper()
	x.serving = testbed.Start(room{x.t, filepath.Join(x.dir, "printed")}, testbed.Command{Name: "serve", Path: x.bin,
		Args: []string{"serve", "--debug", "--config", x.planted.file}, Dir: filepath.Join(x.dir, "run"), Env: x.environment()})
	testbed.Await(x.t, blackbox.Within, "the line that says that firebreak is ready", func() bool {
		select {
		case <-x.serving.Ended():
			x.t.Fatalf("firebreak ended before it was ready:\n%s", x.serving.Log())
		default:
		}
		_, rest, _ := strings.Cut(x.printed(), "firebreak is ready: alerts to ")
		url, _, ready := strings.Cut(rest, "/webhook")
		x.url = url
		return ready
	})
	x.commandLines()
}

// printed is all that serve has printed.
func (x *product) printed() string {
	text, err := os.ReadFile(filepath.Join(x.dir, "printed", "serve.log"))
	if err != nil {
		return ""
	}
	return string(text)
}

// commandLines adds what others see of our processes.
func (x *product) commandLines() {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", x.serving.PID()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		x.t.Errorf("read the command line: %v", err)
	}
	if len(line) == 0 {
		x.t.Error("the command line of the server is not there to be looked at")
	}
	x.haul.add("the command line of serve", line)
}

// run runs a command, and keeps what it printed. It need not go well.
func (x *product) run(as string, args ...string) string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	cmd := exec.CommandContext(ctx, x.bin, args...)
	cmd.Dir = filepath.Join(x.dir, "run")
	cmd.Env = x.environment("FIREBREAK_SERVER="+x.url, "FIREBREAK_TOKEN="+x.planted.value(as), "FIREBREAK_CONFIG="+x.planted.file)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		x.t.Errorf("firebreak %s did not end: %v", strings.Join(args, " "), err)
	}
	x.haul.add("firebreak "+strings.Join(args, " "), out)
	return string(out)
}

// ask asks the server over HTTP, and keeps the answer with its headers.
func (x *product) ask(method, path, authorization, body string) int {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, x.url+path, strings.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Errorf("%s %s: %v", method, path, err)
		return 0
	}
	var answer bytes.Buffer
	if err := resp.Write(&answer); err != nil {
		x.t.Errorf("%s %s: %v", method, path, err)
	}
	_ = resp.Body.Close()
	x.haul.add("the answer to "+method+" "+path, answer.Bytes())
	return resp.StatusCode
}

// post tells of an alert.
func (x *product) post(a blackbox.Alert) {
	x.t.Helper()
	body, err := a.Body()
	if err != nil {
		x.t.Fatal(err)
	}
	if got := x.ask(http.MethodPost, "/webhook", "Bearer "+x.planted.value("WEBHOOK_TOKEN"), string(body)); got != http.StatusOK {
		x.t.Fatalf("the webhook answered %d to %s", got, a.Name)
	}
}

// records are all incidents.
func (x *product) records() []blackbox.Record {
	x.t.Helper()
	all, err := blackbox.API{URL: x.url, Token: x.planted.value("ALICE_TOKEN"), Client: http.DefaultClient}.Records()
	if err != nil {
		x.t.Fatalf("read the records: %v", err)
	}
	return all
}

// keep adds what is left when it has ended: what it printed, its data, and whatever lies around.
func (x *product) keep() {
	x.t.Helper()
	x.haul.add("what serve printed", []byte(x.printed()))
	x.haul.folder(x.t, "the data", x.planted.env["DATA"])
	x.haul.folder(x.t, "its folder", filepath.Join(x.dir, "run"))
	x.haul.folder(x.t, "temporary files", filepath.Join(x.dir, "tmp"))
	x.haul.folder(x.t, "files of commands", filepath.Join(x.dir, "out"))
}

package blackbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// OperatorToken is presented by the operator, who is alice. The policy of a [Product] must know it.
const OperatorToken = "token-of-alice-in-this-test"

// Product is one Firebreak: its binary, its policy, and the process while it lives. Its data outlives the process.
type Product struct {
	t      *testing.T
	bin    string
	config string
	client *http.Client
	// URL is where it listens: what it said itself when it started last.
	URL string
	*testbed.Process
}

// NewProduct is a Firebreak with the policy in a file. Nothing is started.
func NewProduct(t *testing.T, bin, config string) *Product {
	t.Helper()
	p := &Product{t: t, bin: bin, config: config, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// Launch is how it is started.
type Launch struct {
	// Point is the crash point at which it dies; empty: none.
	Point string
	// Args are more arguments of serve, Env more of its environment.
	Args, Env []string
}

// Serve starts it, and waits until it is ready. It dies at a crash point if one is named.
func (p *Product) Serve(point string) {
	p.t.Helper()
	p.ServeAs(Launch{Point: point})
}

// ServeAs starts it so, and waits until it is ready.
func (p *Product) ServeAs(how Launch) {
	p.t.Helper()
	p.Process = testbed.Start(p.t, testbed.Command{Name: "firebreak", Path: p.bin,
		Args: append([]string{"serve", "--config", p.config}, how.Args...),
		Env:  slices.Concat(os.Environ(), []string{"FIREBREAK_FAILPOINT=" + how.Point}, how.Env)})
	testbed.Await(p.t, Within, "the line that says that firebreak is ready", func() bool {
		select {
		case <-p.Ended():
			p.t.Fatalf("firebreak ended before it was ready:\n%s", p.Log())
		default:
		}
		_, rest, ready := strings.Cut(p.Log(), "firebreak is ready: alerts to ")
		p.URL, _, _ = strings.Cut(rest, "/webhook")
		return ready && strings.Contains(rest, "/webhook")
	})
}

// Dies waits until it has died at its crash point.
func (p *Product) Dies() {
	p.t.Helper()
	testbed.Await(p.t, Within, "firebreak to die at its crash point", func() bool {
		select {
		case <-p.Ended():
			return true
		default:
			return false
		}
	})
}

// API is that of the process that was started last, as the operator asks it.
func (p *Product) API() API { return API{URL: p.URL, Token: OperatorToken, Client: p.client} }

// Records are all incidents, oldest first.
func (p *Product) Records() ([]Record, error) { return p.API().Records() }

// Failed says whether what it logged tells of a fault of its own.
func (p *Product) Failed() bool {
	log := p.Log()
	return strings.Contains(log, "panic:") || strings.Contains(log, "DATA RACE")
}

// Post tells it of an alert until that is answered with 200, as Alertmanager does.
func (p *Product) Post(a Alert) {
	p.t.Helper()
	body, err := a.Body()
	if err != nil {
		p.t.Fatalf("write an alert: %v", err)
	}
	testbed.Await(p.t, Within, "the webhook to take the alert", func() bool {
		resp, err := p.client.Post(p.URL+"/webhook", "application/json", bytes.NewReader(body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
		return resp.StatusCode == http.StatusOK
	})
}

// Command runs a command of the binary as the operator.
func (p *Product) Command(args ...string) (string, error) {
	return p.run(append(args, "--server", p.URL, "--token", OperatorToken)...)
}

// Local runs a command of the binary that needs the policy, and no server.
func (p *Product) Local(args ...string) (string, error) {
	return p.run(append(args, "--config", p.config)...)
}

func (p *Product) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Within)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("firebreak %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Approve says yes, as the operator, to the plan that is asked about.
func (p *Product) Approve(incident string) {
	p.t.Helper()
	type asking struct {
		Incident string `json:"incident"`
		Plan     string `json:"plan"`
	}
	var plan string
	testbed.Await(p.t, Within, "the asking for approval", func() bool {
		all, err := List[asking](p.API(), "/api/v1/approvals")
		for _, a := range all {
			if a.Incident == incident {
				plan = a.Plan
			}
		}
		return err == nil && plan != ""
	})
	if _, err := p.Command("approve", incident, "--plan", plan, "--yes"); err != nil {
		p.t.Fatal(err)
	}
}

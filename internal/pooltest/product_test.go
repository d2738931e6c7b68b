package pooltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// product is one Firebreak: its binary, its policy, and the process while it lives. Its data outlives the process.
type product struct {
	t      *testing.T
	bin    string
	config string
	url    string
	client *http.Client
	*testbed.Process
}

// prepare writes the policy about the lab and a pooler before it, if there is one. Nothing is started.
func (b *lab) prepare(t *testing.T, bin string, pooler *testbed.PgBouncer, s settings) *product {
	t.Helper()
	listen := s.listen
	if listen == "" {
		listen = "127.0.0.1:0" // it says where, each time it starts
	}
	p := &product{t: t, bin: bin, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}
	t.Cleanup(p.client.CloseIdleConnections)
	p.config = b.writePolicy(t.TempDir(), listen, pooler, s)
	return p
}

// start starts it, and waits until it is ready. It dies at a crash point if one is named; or hangs there until somebody lets it go on, if more
// names a folder for that.
func (p *product) start(point string, more ...string) {
	p.t.Helper()
	p.Process = testbed.Start(p.t, testbed.Command{Name: "firebreak", Path: p.bin, Args: []string{"serve", "--config", p.config},
		Env: slices.Concat(os.Environ(), []string{"FIREBREAK_FAILPOINT=" + point}, more)})
	testbed.Await(p.t, within, "the line that says that firebreak is ready", func() bool {
		select {
		case <-p.Ended():
			p.t.Fatalf("firebreak ended before it was ready:\n%s", p.Log())
		default:
		}
		_, rest, ready := strings.Cut(p.Log(), "firebreak is ready: alerts to ")
		p.url, _, _ = strings.Cut(rest, "/webhook")
		return ready && strings.Contains(rest, "/webhook")
	})
}

// alert is one alert as Alertmanager tells it.
type alert struct {
	name   string
	labels map[string]string
	starts time.Time
	ends   time.Time // zero while it fires
}

// about is an alert about the cluster that fires from now on, as the rules that are shipped label it: those of the pooler name that, the
// others the primary.
func about(name string) alert {
	labels := map[string]string{"cluster": "orders", "severity": "warning"}
	switch {
	case strings.HasPrefix(name, "PgBouncer"):
		labels["node"] = bouncer
	case strings.HasPrefix(name, "App"):
		labels["app"] = "checkout"
	default:
		labels["node"] = "pg1"
	}
	return alert{name: name, labels: labels, starts: time.Now().UTC()}
}

// body is a webhook body, version 4.
func (a alert) body() ([]byte, error) {
	set := model.LabelSet{"alertname": model.LabelValue(a.name)}
	for k, v := range a.labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	status := "firing"
	if !a.ends.IsZero() {
		status = "resolved"
	}
	return json.Marshal(map[string]any{
		"version": "4", "receiver": "firebreak", "status": status, "groupKey": `{}:{alertname="` + a.name + `"}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": a.name}, "commonLabels": set, "commonAnnotations": map[string]string{},
		"externalURL": "http://localhost:9093", "alerts": []map[string]any{{
			"status": status, "labels": set, "annotations": map[string]string{}, "startsAt": a.starts, "endsAt": a.ends,
			"generatorURL": "", "fingerprint": set.Fingerprint().String()}},
	})
}

// post tells it of an alert until that is answered with 200, as Alertmanager does.
func (p *product) post(a alert) {
	p.t.Helper()
	body, err := a.body()
	if err != nil {
		p.t.Fatalf("write an alert: %v", err)
	}
	testbed.Await(p.t, within, "the webhook to take the alert", func() bool {
		resp, err := p.client.Post(p.url+"/webhook", "application/json", bytes.NewReader(body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
		return resp.StatusCode == http.StatusOK
	})
}

// command runs a command of the binary as the operator.
func (p *product) command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, append(args, "--server", p.url, "--token", operatorToken)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("firebreak %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// approve says yes, as the operator, to the plan that is asked about.
func (p *product) approve(incident string) {
	p.t.Helper()
	type asking struct {
		Incident string `json:"incident"`
		Plan     string `json:"plan"`
	}
	var plan string
	testbed.Await(p.t, within, "the asking for approval", func() bool {
		all, err := list[asking](p, "/api/v1/approvals")
		for _, a := range all {
			if a.Incident == incident {
				plan = a.Plan
			}
		}
		return err == nil && plan != ""
	})
	if _, err := p.command("approve", incident, "--plan", plan, "--yes"); err != nil {
		p.t.Fatal(err)
	}
}

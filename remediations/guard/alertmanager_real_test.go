package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// realAlert is an alert as the webhook would have told of it.
func realAlert(labels map[string]string) alerts.Alert {
	set := model.LabelSet{}
	for k, v := range labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return alerts.Alert{Fingerprint: set.Fingerprint().String(), Status: alerts.Firing, Labels: labels}
}

func realAlertmanagers(t *testing.T, receiver, url string) *guard.Alertmanagers {
	t.Helper()
	c, err := live.New(live.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	a, err := guard.NewAlertmanagers([]guard.Peer{{Name: "real", Source: c, Receiver: receiver}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// awaitAnswer asks until the answer has this reason, "" for yes: Alertmanager takes a moment to see what it was told.
func awaitAnswer(t *testing.T, what string, a *guard.Alertmanagers, list []alerts.Alert, want remediations.Reason, words ...string) {
	t.Helper()
	var last *remediations.NoError
	testbed.Await(t, 30*time.Second, what, func() bool {
		last = a.Check(t.Context(), list)
		if last == nil {
			return want == ""
		}
		return last.Reason == want
	})
	wantNo(t, what, last, want, words...)
}

// A real Alertmanager is understood: an alert with an odd name fires, is silenced, fires again, resolves, and then nobody can
// be asked any more.
func TestRealAlertmanager(t *testing.T) {
	t.Parallel()
	am := testbed.Alertmanager(t, testbed.AlertmanagerConfig{})
	ours := realAlertmanagers(t, "testbed", am.URL)
	labels := map[string]string{"alertname": "Pool \"ex\\hausted\"\n日本語", "service": "pay"}
	list := []alerts.Alert{realAlert(labels), realAlert(map[string]string{"alertname": "Gone.*"})}

	wantNo(t, "before", ours.Check(t.Context(), list), remediations.ReasonResolved)
	post := testbed.PostableAlert{Labels: labels, StartsAt: time.Now().Add(-time.Minute), EndsAt: time.Now().Add(time.Hour)}
	if err := am.Post(t.Context(), post); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, "the alert fires", ours, list, "")
	wantNo(t, "not ours", realAlertmanagers(t, "firebreak", am.URL).Check(t.Context(), list), remediations.ReasonNotAllowed, "testbed")

	id, err := am.Silence(t.Context(), map[string]string{"service": "pay"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, "it is silenced", ours, list, remediations.ReasonSilenced, id)
	if err := am.Unsilence(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, "the silence expired", ours, list, "")

	post.EndsAt = time.Now().Add(-time.Second)
	if err := am.Post(t.Context(), post); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, "it resolved", ours, list, remediations.ReasonResolved)
	am.Stop()
	wantNo(t, "stopped", ours.Check(t.Context(), list), remediations.ReasonUnconfirmed, "refused")
}

// All odd names are found by a real Alertmanager, one by one and together.
func TestRealAlertmanagerOddNames(t *testing.T) {
	t.Parallel()
	am := testbed.Alertmanager(t, testbed.AlertmanagerConfig{})
	ours := realAlertmanagers(t, "testbed", am.URL)
	var all []alerts.Alert
	for _, name := range oddNames() {
		if name == "" {
			continue // Alertmanager drops empty labels, and refuses an alert without any
		}
		a := realAlert(map[string]string{"alertname": name})
		all = append(all, a)
		if err := am.Post(t.Context(), testbed.PostableAlert{Labels: a.Labels, EndsAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	for i, a := range all {
		awaitAnswer(t, a.Name(), ours, all[i:i+1], "")
	}
	awaitAnswer(t, "all of them", ours, all, "")
}

// inhibiting is a configuration in which a critical alert inhibits the warnings of its cluster.
const inhibiting = `
route: {receiver: "firebreak"}
receivers: [{name: "firebreak"}]
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [cluster]
`

// An alert that another one inhibits is not acted on, by that name.
func TestRealAlertmanagerInhibits(t *testing.T) {
	t.Parallel()
	base := startAlertmanager(t, inhibiting)
	ours := realAlertmanagers(t, "firebreak", base)
	warning := realAlert(map[string]string{"alertname": "Slow", "cluster": "a", "severity": "warning"})
	critical := realAlert(map[string]string{"alertname": "Down", "cluster": "a", "severity": "critical"})
	postTo(t, base, warning, time.Now().Add(time.Hour))
	awaitAnswer(t, "it fires alone", ours, []alerts.Alert{warning}, "")
	postTo(t, base, critical, time.Now().Add(time.Hour))
	awaitAnswer(t, "it is inhibited", ours, []alerts.Alert{warning}, remediations.ReasonInhibited, critical.Fingerprint)
	awaitAnswer(t, "the other one fires", ours, []alerts.Alert{warning, critical}, "")
	postTo(t, base, critical, time.Now().Add(-time.Second))
	awaitAnswer(t, "it fires again", ours, []alerts.Alert{warning}, "")
}

// startAlertmanager runs a real Alertmanager with a configuration of its own until the test ends, and returns its address.
func startAlertmanager(t *testing.T, config string) string {
	t.Helper()
	path, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Fatal("this test needs a real Alertmanager: apt-get install prometheus-alertmanager")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := testbed.Addr(t)
	testbed.Start(t, testbed.Command{Name: "alertmanager", Path: path, Dir: dir, Args: []string{"--config.file=" + file,
		"--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + addr, "--cluster.listen-address="}})
	base := "http://" + addr
	testbed.Await(t, time.Minute, "Alertmanager to answer", func() bool {
		res, err := http.Get(base + "/-/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return base
}

// postTo gives an Alertmanager an alert that ends at some time.
func postTo(t *testing.T, base string, a alerts.Alert, ends time.Time) {
	t.Helper()
	body, err := json.Marshal([]testbed.PostableAlert{{Labels: a.Labels, StartsAt: time.Now().Add(-time.Minute), EndsAt: ends}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("post alerts: %s", res.Status)
	}
}

package deploytest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations/breaker/client"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsPolicy is a Firebreak on an external NATS that has something to do: an alert opens an incident, whose target cannot be reached.
const natsPolicy = `
bus: {url: "${NATS_URLS}", replicas: 3, credentials_file: %CREDS%}
guard: {stop_file: %STOP%}
handlers:
  retrystorm:
    mode: auto
    thresholds: {sample_every: 10ms, verify_within: 1s}
    edges:
      - service: checkout
        edge: payments
        probe: {json: {urls: ["http://127.0.0.1:1/"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [open]}
`

// Firebreak serves on this cluster with exactly the rights that the file gives it, and a service does what the breaker client does, and nothing
// else.
func TestNATSRights(t *testing.T) {
	c := startNATS(t)
	backup := serveOnNATS(t, c)
	ours := c.connect(t, "firebreak")
	app := c.connect(t, "checkout", nats.CustomInboxPrefix("_INBOX_checkout"))
	t.Run("the breaker client", func(t *testing.T) { breakerWorks(t, ours, app) })
	t.Run("a service can do no more", func(t *testing.T) { appIsHeld(t, app) })
	t.Run("firebreak can do no more", func(t *testing.T) {
		for _, subject := range []string{"$JS.API.STREAM.DELETE.INCIDENTS", "$JS.API.STREAM.PURGE.INCIDENTS", "$JS.API.STREAM.RESTORE.X",
			"$SYS.REQ.SERVER.PING", "other"} {
			refused(t, ours, "publish", subject)
		}
		refused(t, ours, "subscribe", ">")
	})
	t.Run("a restore", func(t *testing.T) { restores(t, backup) })
	t.Run("a stranger", func(t *testing.T) {
		nc, err := nats.Connect(c.servers[0].ClientURL(), nats.RootCAs(c.authority))
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("without a name: %v, want a refusal", err)
			nc.Close()
		}
	})
}

// restores takes the backup to another cluster, as the user who is for that, and serves there as the one who is for that.
func restores(t *testing.T, backup string) {
	c := startNATS(t)
	config := policyOn(t, c, "restore")
	p := &product{binary: os.Getenv(binaryVariable)}
	t.Setenv("NATS_URLS", c.urls())
	t.Setenv("SSL_CERT_FILE", c.authority)
	if code, stdout, stderr := p.run(t, "restore", backup, "--config", config); code != 0 {
		t.Fatalf("restore: code %d\n%s%s", code, stdout, stderr)
	}
	p = serveProduct(t, nil, "--config", policyOn(t, c, "firebreak"), "--listen", "127.0.0.1:0")
	if code, stdout, stderr := p.run(t, "incidents", "list", "--json"); code != 0 || !strings.Contains(stdout, "checkout/payments") {
		t.Errorf("what was restored: code %d\n%s%s", code, stdout, stderr)
	}
}

// policyOn is the file of a policy on the cluster, with somebody's credentials.
func policyOn(t *testing.T, c *natsCluster, user string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "firebreak.yaml")
	text := strings.NewReplacer("%STOP%", filepath.Join(dir, "STOP"), "%CREDS%", c.creds(user)).Replace(natsPolicy)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// serveOnNATS runs the product there: it starts, takes an alert, opens an incident, takes orders and gives a backup, whose file is returned.
func serveOnNATS(t *testing.T, c *natsCluster) string {
	t.Helper()
	backup := filepath.Join(t.TempDir(), "backup.tar.gz")
	p := serveProduct(t, []string{"NATS_URLS=" + c.urls(), "SSL_CERT_FILE=" + c.authority}, "--config", policyOn(t, c, "firebreak"), "--listen", "127.0.0.1:0")
	p.post(t, "firing")
	testbed.Await(t, 30*time.Second, "the incident to be on the record", func() bool {
		code, stdout, _ := p.run(t, "incidents", "list", "--json")
		return code == 0 && strings.Contains(stdout, "checkout/payments")
	})
	for _, args := range [][]string{
		{"health", "--ready"}, {"alerts"}, {"blocked"}, {"budget"}, {"pause", "--reason", "a test", "--for", "1m"},
		{"resume", "--reason", "it is over"}, {"backup", "-o", backup},
	} {
		if code, stdout, stderr := p.run(t, args...); code != 0 {
			t.Errorf("firebreak %s: code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
		}
	}
	p.post(t, "resolved")
	testbed.Await(t, 30*time.Second, "the incident to be closed", func() bool {
		code, stdout, _ := p.run(t, "incidents", "list", "--open")
		return code == 0 && strings.Contains(stdout, "no incidents")
	})
	if log := p.Log(); strings.Contains(strings.ToLower(log), "permissions violation") {
		t.Errorf("it was refused something that it wants:\n%s", log)
	}
	return backup
}

// breakerWorks holds an edge by a lease that Firebreak's user writes, and sees the service's report.
func breakerWorks(t *testing.T, ours, app *nats.Conn) {
	c, err := client.Start(t.Context(), client.Config{Conn: app, Service: "checkout", Instance: "one", Edges: []string{"payments"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := jetstream.New(ours)
	if err != nil {
		t.Fatal(err)
	}
	l := lease.Lease{V: lease.Version, Fix: lease.Open, Action: "a1", Incident: "i1", TTLMillis: time.Minute.Milliseconds(), Until: time.Now().Add(time.Minute)}
	data, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: lease.Subject(lease.Bucket, "checkout.payments"), Data: data}
	if _, err := js.PublishMsg(t.Context(), m, jetstream.WithMsgTTL(time.Minute)); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, 20*time.Second, "the service to hold its edge", func() bool {
		_, held := c.Edge("payments").Held()
		return held
	})
	testbed.Await(t, 20*time.Second, "its report", func() bool { return reported(t.Context(), js) })
	if err := app.LastError(); err != nil {
		t.Errorf("the client was refused something that it wants: %v", err)
	}
}

// reported says whether the instance says that it holds the edge.
func reported(ctx context.Context, js jetstream.JetStream) bool {
	kv, err := js.KeyValue(ctx, lease.InstancesBucket)
	if err != nil {
		return false
	}
	e, err := kv.Get(ctx, "checkout.one")
	if err != nil {
		return false
	}
	var r lease.Report
	return json.Unmarshal(e.Value(), &r) == nil && r.Edges["payments"].Held
}

// appIsHeld tries what a service must not do.
func appIsHeld(t *testing.T, app *nats.Conn) {
	for _, subject := range []string{
		"$KV.breakers.checkout.payments", "$KV.breakers.cart.payments", "$KV.breaker_instances.cart.one", "$KV.ledger.ledger", "$KV.switch.switch",
		"alerts.journal", "incidents.x", "$JS.API.STREAM.INFO.INCIDENTS", "$JS.API.STREAM.MSG.GET.INCIDENTS", "$JS.API.DIRECT.GET.KV_ledger",
		"$JS.API.STREAM.MSG.GET.KV_breakers", "$JS.API.STREAM.PURGE.KV_breakers", "$JS.API.STREAM.DELETE.KV_breakers", "$JS.API.STREAM.UPDATE.KV_breakers",
		"$JS.API.CONSUMER.CREATE.INCIDENTS.x", "$JS.API.CONSUMER.CREATE.KV_breakers.x", "$JS.API.CONSUMER.CREATE.KV_breakers.x.$KV.breakers.cart.*",
		"$JS.API.CONSUMER.CREATE.KV_breakers", "$JS.API.CONSUMER.DURABLE.CREATE.KV_breakers.x", "_INBOX.x", "_INBOX_cart.x",
	} {
		refused(t, app, "publish", subject)
	}
	for _, subject := range []string{">", "_INBOX.>", "_INBOX_cart.>", "incidents.>", "alerts.journal", "$KV.breakers.>", "$KV.breaker_instances.checkout.*"} {
		refused(t, app, "subscribe", subject)
	}
}

// refused tries one subject: the server's no is here before its answer to the flush.
func refused(t *testing.T, nc *nats.Conn, what, subject string) {
	t.Helper()
	before := nc.LastError()
	var err error
	if what == "publish" {
		err = nc.Publish(subject, []byte("{}"))
	} else {
		var sub *nats.Subscription
		if sub, err = nc.SubscribeSync(subject); err == nil {
			defer func() { _ = sub.Unsubscribe() }()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	said := nc.LastError()
	if said == nil || said == before || !errors.Is(said, nats.ErrPermissionViolation) || !strings.Contains(said.Error(), `"`+subject+`"`) {
		t.Errorf("%s to %s was not refused: %v", what, subject, said)
	}
}

// post tells the product of the alert.
func (p *product) post(t *testing.T, status string) {
	t.Helper()
	body := strings.NewReplacer("%STATUS%", status, "%STARTS%", p.began.UTC().Format(time.RFC3339Nano), "%ENDS%", map[string]string{
		"firing": "0001-01-01T00:00:00Z", "resolved": time.Now().UTC().Format(time.RFC3339Nano)}[status]).Replace(`{"version":"4","groupKey":"{}:{}",
		"status":"%STATUS%","receiver":"firebreak","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","truncatedAlerts":0,
		"alerts":[{"status":"%STATUS%","labels":{"alertname":"RetryStorm","service":"checkout","edge":"payments","severity":"critical"},"annotations":{},
		"startsAt":"%STARTS%","endsAt":"%ENDS%","generatorURL":"","fingerprint":"a1b2c3d4e5f60718"}]}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the alert was answered with %s", resp.Status)
	}
}

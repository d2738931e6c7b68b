package canarytest

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

const (
	channel = "C0FIREBREAK"
	oncall  = "U0ONCALL"
)

// goodDay is everything that works.
type goodDay struct {
	*product
	ear   *ear
	shop  *shop
	slack *fakeslack.Server
	pg    *testbed.PostgresNode
}

// testGoodDay: an alert becomes an incident, a person says yes in Slack, the fix is made and taken back, everybody is told, and it is read in
// every way that there is. No secret is anywhere but where it is presented.
func testGoodDay(t *testing.T, bin string) planting {
	d := newGoodDay(t, bin)
	d.serve()
	starts := time.Now().UTC()
	alert := blackbox.Alert{Name: "RetryStorm", Labels: map[string]string{"service": "checkout", "edge": "payments", "severity": "critical"}, Starts: starts}
	told := d.secretive(&alert)
	d.fall()
	d.post(alert)
	d.approve()
	d.await("the end of the storm", func() bool { return !d.sick() })
	alert.Ends = time.Now().UTC()
	d.post(alert)
	var closed blackbox.Record
	d.await("the incident to be closed", func() bool {
		all := d.records()
		if len(all) == 0 {
			return false
		}
		closed = all[0]
		return closed.Summary.Stage == "closed"
	})
	if !closed.Has("applied") || !closed.Has("reverted") || !closed.Has("approved") {
		t.Errorf("the good day was none: %+v", closed.Summary)
	}
	lag := blackbox.Alert{Name: "PostgreSQLReplicationLag", Labels: map[string]string{"cluster": "orders"}, Starts: starts}
	d.post(lag)
	d.await("everybody to be told", func() bool {
		return d.ear.count("desk") > 0 && d.ear.count("chat") > 0 && d.ear.count("pagerduty") > 0 && d.ear.count("heartbeat") > 0 && d.archived() != "0"
	})
	d.readEverything(closed.Summary.ID)
	d.wrongTokens()
	d.misplaced()
	d.archive()
	d.serving.Stop()
	d.traces()
	d.keep()
	for _, h := range d.ear.everything() {
		d.haul.add(h.where, h.text)
	}
	said := d.haul.requireClean(t, d.planted.canaries, belong())
	requireUsed(t, said, "SHOP_READ", "SHOP_ADMIN", "SLACK_BOT", "SLACK_APP", "PAGERDUTY", "CHAT_PATH", "HEARTBEAT_PATH")
	d.requireMasked(told)
	return d.planted
}

func newGoodDay(t *testing.T, bin string) *goodDay {
	t.Helper()
	e := &ear{}
	to := map[string]string{"DATA": filepath.Join(t.TempDir(), "data"), "BUS": testbed.Addr(t)}
	shop := &shop{}
	to["SHOP"] = e.listen(t, "shop", shop.handler())
	to["WEBHOOK"] = e.listen(t, "desk", well())
	to["CHAT"] = strings.TrimPrefix(e.listen(t, "chat", well()), "http://")
	to["HEARTBEAT"] = e.listen(t, "heartbeat", well())
	to["COLLECTOR"] = e.listen(t, "collector", well())
	p := plant(t, template(t, "good.yaml"), to)
	pd, err := fakepagerduty.New(fakepagerduty.Config{RoutingKeys: []string{p.env["CANARY_PAGERDUTY"]}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pd.Close() })
	slack, err := fakeslack.New(fakeslack.Config{
		App: fakeslack.App{BotToken: p.env["CANARY_SLACK_BOT"], AppToken: p.env["CANARY_SLACK_APP"]},
		Workspace: fakeslack.Workspace{Users: []fakeslack.User{{ID: oncall, Name: "oncall", Email: "oncall@example.com"}},
			Channels: []fakeslack.Channel{{ID: channel, Name: "incidents", Member: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slack.Close() })
	p.env["PAGERDUTY"] = e.before(t, "pagerduty", pd.URL())
	p.env["SLACK"] = e.before(t, "slack", strings.TrimSuffix(slack.APIURL(), "/api/"))
	shop.readToken, shop.adminToken = p.env["CANARY_SHOP_READ"], p.env["CANARY_SHOP_ADMIN"]
	pg := databases(t, &p)
	p.load(t)
	return &goodDay{product: newProduct(t, bin, p, &haul{}), ear: e, shop: shop, slack: slack, pg: pg}
}

// databases starts a PostgreSQL and a Redis that want passwords, and says where they are.
func databases(t *testing.T, p *planting) *testbed.PostgresNode {
	t.Helper()
	quoted := func(name string) string { return "'" + strings.ReplaceAll(p.env["CANARY_"+name], "'", "''") + "'" }
	node := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1,
		HBA: []string{"host all canary_archive,canary_probe,canary_act 127.0.0.1/32 scram-sha-256"},
		Init: []string{"CREATE ROLE canary_archive LOGIN PASSWORD " + quoted("ARCHIVE_PASSWORD"), "GRANT CREATE ON DATABASE app TO canary_archive",
			"CREATE ROLE canary_probe LOGIN PASSWORD " + quoted("PROBE_PASSWORD"), "GRANT pg_monitor TO canary_probe",
			"CREATE ROLE canary_act LOGIN PASSWORD " + quoted("ACT_PASSWORD"), "GRANT pg_signal_backend, pg_read_all_stats TO canary_act"}}).Primary
	p.env["POSTGRES"] = node.Addr
	_, port, err := net.SplitHostPort(node.Addr)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.file, strings.ReplaceAll(p.text(t), "<POSTGRES_PORT>", port))
	redis := testbed.StartRedis(t, testbed.RedisOptions{Replicas: -1})
	if _, err := redis.Primary.Do("CONFIG", "SET", "requirepass", p.env["CANARY_REDIS_PASSWORD"]); err != nil {
		t.Fatalf("give redis its password: %v", err)
	}
	p.env["REDIS"] = redis.Primary.Addr
	return node
}

func (d *goodDay) fall() {
	d.shop.mu.Lock()
	defer d.shop.mu.Unlock()
	d.shop.move()
	d.shop.sick = true
}

func (d *goodDay) sick() bool {
	d.shop.mu.Lock()
	defer d.shop.mu.Unlock()
	d.shop.move()
	return d.shop.sick
}

func (d *goodDay) await(what string, cond func() bool) {
	d.t.Helper()
	testbed.Await(d.t, blackbox.Within, what, cond)
}

// approve presses the button that says yes.
func (d *goodDay) approve() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), blackbox.Within)
	defer cancel()
	var asked fakeslack.Message
	var yes fakeslack.Button
	err := d.slack.Wait(ctx, func() bool {
		for _, m := range d.slack.Messages(channel) {
			for _, b := range m.Buttons() {
				if b.Text == "Approve" {
					asked, yes = m, b
				}
			}
		}
		return yes.ActionID != "" && d.slack.Connections() > 0
	})
	if err != nil {
		d.t.Fatalf("wait for the buttons in Slack: %v\n%s", err, d.serving.Log())
	}
	if _, err := d.slack.Press(ctx, asked.TS, yes.ActionID, oncall); err != nil {
		d.t.Fatalf("press the button: %v", err)
	}
}

func (d *goodDay) archived() string {
	n, err := d.pg.Ask("SELECT count(*) FROM firebreak.incident_report")
	if err != nil {
		return "0" // its tables are still being made
	}
	return n
}

// archive adds every row of every table of the archive.
func (d *goodDay) archive() {
	d.t.Helper()
	tables := d.pg.Value(d.t, "SELECT string_agg(quote_ident(tablename), ' ') FROM pg_tables WHERE schemaname = 'firebreak'")
	if tables == "" {
		d.t.Error("the archive has no tables")
	}
	for table := range strings.FieldsSeq(tables) {
		d.haul.add("the archive, "+table, []byte(d.pg.Value(d.t, "SELECT coalesce(string_agg(x::text, E'\\n'), '') FROM firebreak."+table+" x")))
	}
}

// traces holds that spans were sent: what is in them was heard by the collector, and is looked at with all that was heard.
func (d *goodDay) traces() {
	d.t.Helper()
	if d.planted.policy.Tracing == nil {
		d.t.Error("the policy of the good day has no tracing")
	}
	if d.ear.count("collector") == 0 {
		d.t.Error("no span was sent to the collector, so that nothing is known of what is in them")
	}
}

// requireUsed fails for secrets that were never presented: then nothing is known of what happens to them.
func requireUsed(t *testing.T, said map[allowance]int, names ...string) {
	t.Helper()
	used := map[string]bool{}
	for a := range said {
		used[a.canary] = true
	}
	for _, name := range names {
		if !used[name] {
			t.Errorf("the secret %s was never presented to anybody", name)
		}
	}
}

package canarytest

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// badDay is a Firebreak among counterparts that refuse.
type badDay struct {
	*product
	ear *ear
}

// hostile starts all counterparts, and says where they are. The second of a pair is one error ahead.
func hostile(t *testing.T, e *ear, first int) map[string]string {
	t.Helper()
	to := map[string]string{"DATA": filepath.Join(t.TempDir(), "data"), "BUS": testbed.Addr(t)}
	elsewhere := strings.Replace(e.listen(t, "elsewhere", well()), "127.0.0.1", "localhost", 1)
	for variable, who := range map[string]string{
		"ALERTMANAGER1": "alertmanager1", "ALERTMANAGER2": "alertmanager2", "COLLECTOR": "collector", "WEBHOOK": "desk", "SLACK": "slack",
		"PAGERDUTY": "pagerduty", "CHAT": "chat", "HOOKS": "hooks", "HEARTBEAT": "heartbeat", "BALANCER": "balancer", "CONSOLE": "console",
		"PROMETHEUS1": "prometheus1", "PROMETHEUS2": "prometheus2", "PROMETHEUS3": "prometheus3", "PAGES": "pages", "SHOP": "shop", "APP": "app",
	} {
		turn := first
		if strings.HasSuffix(who, "2") {
			turn++
		}
		to[variable] = e.listen(t, who, &parrot{elsewhere: elsewhere, turn: turn})
	}
	for _, bare := range []string{"CHAT", "HOOKS"} {
		to[bare] = strings.TrimPrefix(to[bare], "http://")
	}
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	to["PG1"], to["PG2"] = port(e.speaker(t, "pg1", e.postgres)), port(e.speaker(t, "pg2", e.postgres))
	to["POOLER"], to["ARCHIVE"] = port(e.speaker(t, "pooler", e.postgres)), e.speaker(t, "archive", e.postgres)
	to["REDIS"], to["REDIS2"] = e.speaker(t, "redis", e.redis), e.speaker(t, "redis2", e.redis)
	to["DEADMAN"] = e.speaker(t, "deadman", e.mute)
	return to
}

// testBadDay: everybody refuses, and says back what was heard, in every shape of an error; some are not there, some send us elsewhere, some
// speak no protocol at all. first is which error comes first. At the end the process is made to dump all that it does, as after a crash.
func testBadDay(t *testing.T, bin string, first int, plantAs func(*testing.T, string, map[string]string) planting) planting {
	e := &ear{}
	p := plantAs(t, template(t, "bad.yaml"), hostile(t, e, first))
	p.load(t)
	d := badDay{product: newProduct(t, bin, p, &haul{}), ear: e}
	d.serve()
	d.fire()
	testbed.Await(t, blackbox.Within, "every counterpart to be asked again and again", d.asked)
	incidents := d.records()
	if len(incidents) == 0 {
		t.Fatal("the alerts opened no incident")
	}
	for _, r := range incidents[1:] {
		d.run("ALICE_TOKEN", "incidents", "show", r.Summary.ID)
		d.run("ALICE_TOKEN", "explain", r.Summary.ID)
	}
	d.readEverything(incidents[0].Summary.ID)
	d.serving.Signal(syscall.SIGQUIT)
	<-d.serving.Ended()
	if !strings.Contains(d.printed(), "goroutine 1 ") {
		t.Error("the process dumped nothing")
	}
	d.keep()
	for _, h := range e.everything() {
		d.haul.add(h.where, h.text)
	}
	said := d.haul.requireClean(t, p.canaries, belong())
	requireUsed(t, said, "SLACK_BOT", "PAGERDUTY", "CHAT_URL", "SLACK_WEBHOOK_URL", "HEARTBEAT_URL", "PROM_STORM", "PAGES_TOKEN", "PROM_POOL",
		"PROM_DRIFT", "CONSOLE_TOKEN", "AM_TOKEN", "AM_PASSWORD", "PROBE_PASSWORD", "STATS_PASSWORD", "ARCHIVE_URL", "REDIS_PASSWORD")
	return p
}

// fire tells of an alert for each family and each store.
func (d badDay) fire() {
	starts := time.Now().UTC()
	for i, a := range []blackbox.Alert{
		{Name: "RetryStorm", Labels: map[string]string{"service": "checkout", "edge": "payments"}},
		{Name: "RetryStorm", Labels: map[string]string{"service": "checkout", "edge": "stock"}},
		{Name: "RetryStorm", Labels: map[string]string{"service": "checkout", "edge": "mail"}},
		{Name: "RetryStorm", Labels: map[string]string{"service": "api", "edge": "search"}},
		{Name: "PostgreSQLReplicationLag", Labels: map[string]string{"cluster": "orders", "node": "pg2"}},
		{Name: "PgBouncerPoolExhausted", Labels: map[string]string{"cluster": "orders", "pgbouncer": "bouncer1"}},
		{Name: "AppPoolExhausted", Labels: map[string]string{"app": "shop"}},
		{Name: "OrphanedSessionsDetected", Labels: map[string]string{"store": "webshop"}},
		{Name: "OrphanedSessionsDetected", Labels: map[string]string{"store": "accounts"}},
		{Name: "OrphanedSessionsDetected", Labels: map[string]string{"store": "console"}},
	} {
		a.Starts, a.Labels["severity"], a.Labels["number"] = starts, "critical", strconv.Itoa(i)
		d.post(a)
	}
}

// asked says whether each counterpart gave enough of its answers.
func (d badDay) asked() bool {
	for who, least := range map[string]int{"prometheus1": 9, "pages": 9, "prometheus2": 5, "prometheus3": 1, "console": 6, "balancer": 1, "desk": 5,
		"slack": 3, "pagerduty": 5, "chat": 4, "hooks": 4, "heartbeat": 2, "alertmanager1": 1, "alertmanager2": 1, "collector": 1} {
		if d.ear.count(who) < least {
			return false
		}
	}
	return true
}

// testLost: a bus that refuses each of the ways in which somebody can say who they are, and says it back. Nothing can be served.
func testLost(t *testing.T, bin string) []planting {
	e := &ear{}
	nats := e.speaker(t, "nats", e.nats)
	key, cert := keyPair(t)
	var all []planting
	for _, text := range []string{
		"bus:\n  url: nats://${NATS}\n  token: ${CANARY_NATS_TOKEN}\n",
		"bus:\n  url: nats://${NATS}\n  username: firebreak\n  password: ${CANARY_NATS_PASSWORD}\n",
		"bus:\n  url: nats://${NATS}\n  credentials_file: secrets/creds\n",
		template(t, "tls.yaml"),
	} {
		for _, as := range []func(*testing.T, string, map[string]string) planting{plant, plantFiles} {
			p := as(t, text, map[string]string{"NATS": nats, "DATA": filepath.Join(t.TempDir(), "data"), "BUS": testbed.Addr(t)})
			p.canaries = append(p.canaries, key.canary)
			write(t, filepath.Join(p.secrets, "key"), key.pem)
			write(t, filepath.Join(filepath.Dir(p.file), "cert.pem"), cert)
			seed := newCanary("NATS_SEED", "%s")
			seed.core = strings.ToUpper(seed.core)
			p.canaries = append(p.canaries, seed)
			write(t, filepath.Join(p.secrets, "creds"), "-----BEGIN NATS USER JWT-----\n"+seed.core+"\n------END NATS USER JWT------\n\n"+
				"-----BEGIN USER NKEY SEED-----\nSUA"+seed.core+"\n------END USER NKEY SEED------\n")
			p.load(t)
			x := newProduct(t, bin, p, &haul{})
			if strings.Contains(text, "key_file:") {
				x.secure()
			} else {
				x.run("NATS_TOKEN", "serve", "--debug", "--config", p.file)
				x.run("NATS_TOKEN", "config", "check", p.file, "--connect")
			}
			x.keep()
			x.haul.requireClean(t, p.canaries, belong())
			all = append(all, p)
		}
	}
	return all
}

// secure serves over TLS, to somebody who does not believe it, and to one who speaks no TLS.
func (x *product) secure() {
	x.t.Helper()
	x.serve()
	x.run("BUS_TOKEN", "incidents", "list")
	resp, err := http.Get(strings.Replace(x.url, "https://", "http://", 1) + "/webhook")
	if err == nil {
		x.haul.add("the answer to plain HTTP", []byte(resp.Status))
		_ = resp.Body.Close()
	}
	x.serving.Signal(syscall.SIGQUIT)
	<-x.serving.Ended()
}

package fieldtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// sessionsIn is how many sessions there are, and lostOf how many the replica loses: less than one in a hundred.
	sessionsIn = 600
	lostOf     = 4
	keyPrefix  = "sess:"
)

// drifting is a store of sessions in Redis, with an application's nodes that say that they are there. Its replica loses sessions.
type drifting struct {
	*testbed.Redis
	before string // what the primary held when the fault began
	turn   int
}

func startDrift(t *testing.T, _ addresses) scene {
	t.Helper()
	s := &drifting{Redis: testbed.StartRedis(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no"}})}
	lease := strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10)
	for i := range sessionsIn {
		s.do(t, s.Primary, "HSET", s.key(i), "owner", nodes()[i%len(nodes())], "epoch", "7", "version", "3", "lease_until", lease, "priority", "normal",
			"data", fmt.Sprintf("basket %d", i))
	}
	s.beat()
	again(t, 500*time.Millisecond, func(context.Context) error { s.beat(); return nil })
	return s
}

func nodes() []string { return []string{"node-a", "node-b", "node-c"} }

func (s *drifting) key(i int) string { return fmt.Sprintf("%ss:u%03d", keyPrefix, i) }

// beat says of all nodes that they are there, and hear each other. A beat that is missed is made up for by the next one.
func (s *drifting) beat() {
	now := time.Now()
	for _, name := range nodes() {
		text, err := json.Marshal(map[string]any{"epoch": 7, "since": now.Add(-time.Hour).UnixMilli(), "lease_until": now.Add(10 * time.Second).UnixMilli(),
			"sees": slices.DeleteFunc(nodes(), func(other string) bool { return other == name })})
		if err == nil {
			_, _ = s.Primary.Do("HSET", keyPrefix+"nodes", name, string(text))
		}
	}
}

func (s *drifting) do(t *testing.T, n *testbed.RedisNode, words ...string) string {
	t.Helper()
	answer, err := n.Do(words...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// targets are none: Firebreak measures stores itself.
func (s *drifting) targets() []testbed.ScrapeTarget { return nil }

func (s *drifting) policy(prometheus string) string {
	return fmt.Sprintf(`sessions:
  - store: webshop
    ttl: 10s
    redis: {primary: %q, replicas: [{name: replica1, address: %q}], prefix: %q, timeout: 1s, wait: 1s}
handlers:
  sessiondrift:
    mode: auto
    thresholds: {lag: 2s, stable: 5s, sample_every: 500ms, confirm_after: 500ms, verify_within: 16s, hold_for: 1500ms}
    stores:
      - store: webshop
        prometheus: {url: %q, partition: 'ALERTS{alertstate="firing",alertname="NetworkPartition"}', timeout: 3s}
        fix: {allow: [sync], limit: 16s, timeout: 5s}
`, s.Primary.Addr, s.Replicas[0].Addr, keyPrefix, prometheus)
}

// contentsScript gives all sessions, one a line, each field in its place.
const contentsScript = `local keys = redis.call('KEYS', ARGV[1] .. 's:*')
table.sort(keys)
for i, key in ipairs(keys) do
  keys[i] = key .. ' ' .. table.concat(redis.call('HMGET', key, 'owner', 'epoch', 'version', 'lease_until', 'priority', 'data'), ' ')
end
return keys`

// contents are all sessions that a node holds, as text; "" if it cannot be asked.
func contents(n *testbed.RedisNode) string {
	text, err := n.Do("EVAL", contentsScript, "0", keyPrefix)
	if err != nil {
		return ""
	}
	return text
}

// lost are those of the last fault.
func (s *drifting) lost() []string {
	var keys []string
	for i := range lostOf {
		keys = append(keys, s.key((s.turn*lostOf+i)%sessionsIn))
	}
	return keys
}

// well says that the replica holds what it had lost.
func (s *drifting) well() bool {
	n, err := s.Replicas[0].Do(append([]string{"EXISTS"}, s.lost()...)...)
	return err == nil && n == strconv.Itoa(lostOf)
}

func (s *drifting) begin(t *testing.T) time.Time {
	t.Helper()
	s.turn++
	s.before = contents(s.Primary)
	testbed.Await(t, blackbox.Within, "the replica to hold everything", func() bool { return contents(s.Replicas[0]) == s.before })
	began := time.Now()
	s.do(t, s.Replicas[0], append([]string{"DEL"}, s.lost()...)...)
	return began
}

func (s *drifting) mend(*testing.T) {}

func (s *drifting) judge(*testing.T) (wrongs []string) {
	if now := contents(s.Primary); now != s.before || now == "" {
		wrongs = append(wrongs, "the primary's sessions are not what they were")
	}
	if contents(s.Replicas[0]) != s.before {
		wrongs = append(wrongs, "the replica's sessions are not those of its primary")
	}
	return wrongs
}

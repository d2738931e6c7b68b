package testbed

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

// A replica has what its primary has, says so when its link is cut, and catches up when it is mended or was started again.
func TestRedisReplicates(t *testing.T) {
	t.Parallel()
	r := StartRedis(t, RedisOptions{Args: []string{"--maxmemory", "50mb"}})
	replica := r.Replicas[0]
	set := func(value string) {
		t.Helper()
		if got, err := r.Primary.Do("SET", "key", value); err != nil || got != "OK" {
			t.Fatalf("set: got %q and %v", got, err)
		}
	}
	has := func(value string) func() bool {
		return func() bool { got, err := replica.Do("GET", "key"); return err == nil && got == value }
	}
	set("with\r\nlines")
	Await(t, within, "the value at the replica", has("with\r\nlines"))
	if _, err := replica.Do("SET", "key", "x"); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("a write at the replica got %v, want it refused", err)
	}
	if got, err := r.Primary.Do("CONFIG", "GET", "maxmemory"); err != nil || got != "maxmemory\n52428800" {
		t.Errorf("got %q and %v for the test's own setting", got, err)
	}
	if got, err := r.Primary.Do("GET", "nothing"); err != nil || got != "" {
		t.Errorf("got %q and %v for a key that is not there", got, err)
	}

	replica.Proxy.Cut()
	Await(t, within, "the replica to notice", func() bool {
		status, err := replica.Info("replication", "master_link_status")
		return err == nil && status == "down"
	})
	set("meanwhile")
	if has("meanwhile")() {
		t.Error("what was written passed a link that is cut")
	}
	replica.Proxy.Heal()
	Await(t, within, "what was written meanwhile", has("meanwhile"))

	replica.Kill9()
	if err := replica.Restart(); err != nil {
		t.Fatal(err)
	}
	Await(t, within, "everything after a start", has("meanwhile"))
}

// Answers that no Redis gives are errors, and never more memory than was announced and allowed.
func TestRedisAnswers(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"\r\n", "!x\r\n", "$x\r\n", "$99999999999\r\n", "*1\r\n?\r\n", strings.Repeat("*1\r\n", 20)} {
		got, err := readRedis(bufio.NewReader(strings.NewReader(answer)), redisDepth)
		if !errors.Is(err, errRedisAnswer) {
			t.Errorf("%q: got %q and %v", answer, got, err)
		}
	}
	if _, err := readRedis(bufio.NewReader(strings.NewReader("$5\r\nab")), redisDepth); err == nil {
		t.Error("an answer that ends too soon is taken")
	}
}

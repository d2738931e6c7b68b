package archive

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// What is missing is said with where and why; what is not missing is not.
func TestHoles(t *testing.T) {
	t.Parallel()
	msgs := func(seqs ...uint64) []bus.Msg {
		out := make([]bus.Msg, len(seqs))
		for i, seq := range seqs {
			out[i] = bus.Msg{Seq: seq, At: at(float64(seq))}
		}
		return out
	}
	five := position{epoch: 1, seq: 5, storedAt: at(5), created: at(0)}
	for name, tc := range map[string]struct {
		from cursor
		was  position
		s    span
		msgs []bus.Msg
		want []gap
	}{
		"nothing":          {five.next(), five, span{first: 1, last: 7}, msgs(6, 7), nil},
		"no message":       {five.next(), five, span{first: 1, last: 5}, nil, nil},
		"the very first":   {position{epoch: 1}.next(), position{epoch: 1}, span{first: 1, last: 2}, msgs(1, 2), nil},
		"outrun":           {five.next(), five, span{first: 9, last: 9}, msgs(9), []gap{{1, 6, 8, at(5), at(9), gapOutrun}}},
		"begun late":       {position{epoch: 1}.next(), position{epoch: 1}, span{first: 4, last: 4}, msgs(4), []gap{{1, 1, 3, time.Time{}, at(4), gapBefore}}},
		"lost in between":  {five.next(), five, span{first: 2, last: 9}, msgs(6, 9), []gap{{1, 7, 8, at(6), at(9), gapLost}}},
		"another stream":   {five.anew(), five, span{first: 1, last: 2}, msgs(1, 2), []gap{{1, 6, 0, at(5), at(1), gapReplaced}}},
		"another, outworn": {five.anew(), five, span{first: 3, last: 3}, msgs(3), []gap{{1, 6, 0, at(5), at(3), gapReplaced}, {2, 1, 2, time.Time{}, at(3), gapBefore}}},
	} {
		if got := tc.from.holes(tc.was, tc.s, tc.msgs); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

// A stream is the same if the message at the position is, whatever else it says; only where that is gone its age has to do.
func TestSameStream(t *testing.T) {
	t.Parallel()
	five := position{epoch: 1, seq: 5, storedAt: at(5), created: at(0)}
	for name, tc := range map[string]struct {
		p    position
		s    span
		kept time.Time
		want bool
	}{
		"nothing is archived":           {position{epoch: 1}, span{first: 1, last: 9, created: at(3)}, time.Time{}, true},
		"the same message":              {five, span{first: 1, last: 9, created: at(0)}, at(5), true},
		"restored, with another age":    {five, span{first: 1, last: 9, created: at(3)}, at(5), true},
		"another message":               {five, span{first: 1, last: 9, created: at(0)}, at(5.000001), false},
		"forgotten, of the same age":    {five, span{first: 7, last: 9, created: at(0)}, time.Time{}, true},
		"forgotten, of another age":     {five, span{first: 7, last: 9, created: at(3)}, time.Time{}, false},
		"shorter, though of that age":   {five, span{first: 1, last: 4, created: at(0)}, time.Time{}, false},
		"behind a gap, of the same age": {position{epoch: 1, seq: 5, created: at(0)}, span{first: 6, last: 5, created: at(0)}, time.Time{}, true},
	} {
		if got := tc.p.same(tc.s, tc.kept); got != tc.want {
			t.Errorf("%s: got %t, want %t", name, got, tc.want)
		}
	}
}

// An address that is none, or that would send a password in the clear, is refused without being shown.
func TestLogin(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mysql://u:hunter2@h/d", "postgres://u:hunter2@h:x/d", "postgres://u:hunter2@h/d?sslmode=prefer",
		"postgres://u:hunter2@h/d?sslmode=allow", "postgres://u:hunter2@h/d?sslrootcert=/nowhere/hunter2", "host=h password=hunter2"} {
		if _, err := login(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", address, err)
		}
	}
	for address, encrypted := range map[string]bool{
		"postgres://u@db.example.com/d": true, "postgres://u@127.0.0.1/d": false, "postgres://u@[::1]:5433/d": false, "postgres://u@localhost/d": false,
		"postgres:///d?host=/run/postgresql&user=u": false, "postgresql://u@10.0.0.1,10.0.0.2/d": true,
		"postgres://u@db.example.com/d?sslmode=disable": false,
	} {
		config, err := login(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if verified := config.TLSConfig != nil && !config.TLSConfig.InsecureSkipVerify; verified != encrypted || len(config.Fallbacks) > 1 {
			t.Errorf("%s: a verified certificate: got %t, want %t; %d other ways", address, verified, encrypted, len(config.Fallbacks))
		}
		if config.RuntimeParams["application_name"] != "firebreak/archive" {
			t.Errorf("%s: it calls itself %q", address, config.RuntimeParams["application_name"])
		}
	}
}

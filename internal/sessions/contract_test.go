package sessions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// random is a small version, so that versions often touch.
func random(r *rand.Rand) sessions.Version {
	v := sessions.Version{}
	for _, node := range []string{"a", "b", "c"} {
		if n := r.Uint64N(4); n > 0 || r.IntN(2) == 0 {
			v[node] = n
		}
	}
	return v
}

// Of two versions exactly one thing is true: they are equal, one dominates, or they are concurrent. Domination is an order. What is written
// is read again as the same, and two texts are equal only if the versions are.
func TestVersionProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b, c := random(r), random(r), random(r)
		things := 0
		for _, is := range []bool{a.Equal(b), sessions.Dominates(a, b), sessions.Dominates(b, a), sessions.Concurrent(a, b)} {
			if is {
				things++
			}
		}
		if things != 1 || sessions.Concurrent(a, b) != sessions.Concurrent(b, a) {
			t.Fatalf("%s and %s are %d things at once", a, b, things)
		}
		if sessions.Dominates(a, b) && sessions.Dominates(b, c) && !sessions.Dominates(a, c) {
			t.Fatalf("%s over %s over %s does not hold", a, b, c)
		}
		if next := a.Next("b"); !sessions.Dominates(next, a) || sessions.Dominates(a, next) {
			t.Fatalf("%s after %s does not dominate", next, a)
		}
		if (a.String() == b.String()) != a.Equal(b) {
			t.Fatalf("%v and %v are written as %s and %s", map[string]uint64(a), map[string]uint64(b), a, b)
		}
		read, err := sessions.ParseVersion(a.String())
		if err != nil || !read.Equal(a) {
			t.Fatalf("%s is read as %s, %v", a, read, err)
		}
		text, err := json.Marshal(a)
		var again sessions.Version
		if err != nil || json.Unmarshal(text, &again) != nil || !again.Equal(a) {
			t.Fatalf("%s is %s as JSON, and read as %s", a, text, again)
		}
	}
}

func TestParseVersionRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "x", "07", "-1", "+1", "1,2", "b=1,a=1", "a=1,a=2", "a=01", "a=0", "a=1,", "=1", "a b=1", "a@b=1", "9007199254740992", "1,a=2", "a=1=2",
	} {
		if v, err := sessions.ParseVersion(text); err == nil {
			t.Errorf("%q is read as %s", text, v)
		}
	}
}

// However the versions are, a copy is only taken away if one that stays dominates it, and where two are concurrent nothing is.
func TestResolveProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		var copies []sessions.Session
		for i := range 1 + r.IntN(4) {
			copies = append(copies, sessions.Session{Key: sessions.Key{ID: "s", Copy: fmt.Sprint(i)}, Version: random(r)})
		}
		plan := sessions.Resolve(copies)
		for _, c := range copies {
			dominated, concurrent := false, false
			for _, other := range copies {
				dominated = dominated || sessions.Dominates(other.Version, c.Version) && plan[other.Key] == sessions.Kept
				concurrent = concurrent || sessions.Concurrent(other.Version, c.Version)
			}
			if o := plan[c.Key]; (o == sessions.Done) != dominated || (concurrent && o != sessions.Conflict) {
				t.Fatalf("%v: %s", copies, o)
			}
		}
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	for total, want := range map[int]int{
		-1: 0, 0: 0, 1: 1, 99: 1, 100: 1, 199: 1, 200: 2, sessions.CountUpTo - 1: 49, sessions.CountUpTo: 50, 1e9: 50,
	} {
		if got := sessions.Bound(total); got != want {
			t.Errorf("of %d: %d, want %d", total, got, want)
		}
	}
}

// A recovery goes by priority, in parts that one order may name, and loses nobody.
func TestStages(t *testing.T) {
	t.Parallel()
	var list []sessions.Session
	for i := range 10 {
		list = append(list, sessions.Session{Key: sessions.Key{ID: fmt.Sprint(i)}, Priority: sessions.Priorities()[3-i%4]})
	}
	var got []string
	for _, s := range sessions.Stages(list, 2) {
		got = append(got, fmt.Sprintf("%s %s %d %s", s.Priority, s.After, len(s.Sessions), s.Sessions[0].ID))
	}
	want := "[critical 0s 2 3 high 1s 2 2 normal 5s 2 1 normal 5s 1 9 low 10s 2 0 low 10s 1 8]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if n := len(sessions.Stages(make([]sessions.Session, 5), 0)); n != 0 {
		t.Errorf("sessions without a priority make %d stages", n)
	}
	for _, s := range sessions.Stages(append([]sessions.Session{}, list...), 1_000_000) {
		if len(s.Sessions) > sessions.MostSent {
			t.Errorf("a stage has %d", len(s.Sessions))
		}
	}
}

// Every refusal proves that nothing was changed, and has one name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"request", "max", "epoch", "quorum", "deadline", "action", "unknown_action", "unknown_node", "not_alive", "behind", "busy",
	} {
		err := fmt.Errorf("quarantine: %w", sessions.Refusal(code))
		if !errors.Is(err, sessions.ErrRefused) || sessions.Code(err) != code {
			t.Errorf("%s is %q: %v", code, sessions.Code(err), err)
		}
	}
	if sessions.Code(errors.New("x")) != "" || sessions.Refusal("x") != nil || sessions.Code(nil) != "" {
		t.Error("what is no refusal has a name")
	}
}

func TestOrdersAreChecked(t *testing.T) {
	t.Parallel()
	s := sessions.Session{Key: sessions.Key{ID: "s"}, Owner: "a", Version: sessions.Counter(1), LeaseUntil: time.Unix(1, 0), Priority: sessions.Low}
	good := func() sessions.Recover {
		o := sessions.Order{Action: "x", Epoch: 1, Max: 1, Deadline: time.Unix(2, 0)}
		return sessions.Recover{Order: o, Stage: sessions.Low, To: "b", Sessions: []sessions.Session{s}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sessions.Recover){
		"no action":           func(r *sessions.Recover) { r.Action = "" },
		"@ in the action":     func(r *sessions.Recover) { r.Action = "a@b" },
		"long action":         func(r *sessions.Recover) { r.Action = fmt.Sprintf("%054d", 1) },
		"no deadline":         func(r *sessions.Recover) { r.Deadline = time.Time{} },
		"no max":              func(r *sessions.Recover) { r.Max = 0 },
		"over max":            func(r *sessions.Recover) { r.Sessions = append(r.Sessions, sessions.Session{}) },
		"twice":               func(r *sessions.Recover) { r.Max, r.Sessions = 2, append(r.Sessions, s) },
		"nobody":              func(r *sessions.Recover) { r.To = "" },
		"another stage":       func(r *sessions.Recover) { r.Stage = sessions.High },
		"none":                func(r *sessions.Recover) { r.Sessions = nil },
		"large epoch":         func(r *sessions.Recover) { r.Epoch = 1 << 53 },
		"large session epoch": func(r *sessions.Recover) { r.Sessions[0].Epoch = 1 << 53 },
		"blank":               func(r *sessions.Recover) { r.Sessions[0].ID = "a b" },
		"line":                func(r *sessions.Recover) { r.Sessions[0].ID = "a\nb" },
	} {
		r := good()
		r.Sessions = append([]sessions.Session{}, r.Sessions...)
		change(&r)
		if err := r.Check(); !errors.Is(err, sessions.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Two orders have one print only if they are the same order.
func TestPrint(t *testing.T) {
	t.Parallel()
	r := sessions.Restore{Order: sessions.Order{Action: "x", Epoch: 1, Max: 1, Deadline: time.Unix(2, 0)}, Undo: "y"}
	one, err := sessions.Print("restore", r)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := sessions.Print("restore", r); again != one {
		t.Error("the same order has two prints")
	}
	other := r
	other.Undo = "z"
	if two, _ := sessions.Print("restore", other); two == one {
		t.Error("two orders have one print")
	}
	if two, _ := sessions.Print("sync", r); two == one {
		t.Error("two acts have one print")
	}
}

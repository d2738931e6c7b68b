package move_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
)

// shelf is a store of two nodes that only can be read. After each page before is called, as if the application wrote meanwhile.
type shelf struct {
	sessions.Looker
	nodes  map[string]map[sessions.Key]item
	aside  []sessions.Key
	hidden map[sessions.Key]bool // not shown unless asked for by name, as a scan may do
	reads  int
	write  func(reads int)
}

type item struct {
	version sessions.Version
	print   string
}

func (s *shelf) Cut(context.Context) (sessions.Cut, error) {
	return sessions.Cut{History: "h", Position: 1}, nil
}

func (s *shelf) List(_ context.Context, q sessions.Query) (sessions.Page, error) {
	p := sessions.Page{At: time.Unix(1, 0).UTC(), Cut: sessions.Cut{History: "h", Position: 2}}
	for _, k := range s.aside {
		p.Sessions = append(p.Sessions, sessions.Session{Key: k})
	}
	return p, nil
}

func (s *shelf) Contents(_ context.Context, q sessions.Query) (sessions.Contents, error) {
	c := sessions.Contents{Page: sessions.Page{At: time.Unix(1, 0).UTC(), Cut: sessions.Cut{History: "h", Position: 2}}}
	for key, i := range s.nodes[q.Node] {
		if named := slices.Contains(q.IDs, key.ID); named || len(q.IDs) == 0 && !s.hidden[key] {
			c.Sessions = append(c.Sessions, sessions.Session{Key: key, Owner: "a", Version: i.version})
			c.Prints = append(c.Prints, i.print)
		}
	}
	s.reads++
	if s.write != nil {
		s.write(s.reads)
	}
	return c, nil
}

func key(text string) sessions.Key {
	id, node, _ := strings.Cut(text, "@")
	return sessions.Key{ID: id, Copy: node}
}

// items reads "id version print".
func items(t *testing.T, lines ...string) map[sessions.Key]item {
	t.Helper()
	m := map[sessions.Key]item{}
	for _, line := range lines {
		words := strings.Fields(line)
		v, err := sessions.ParseVersion(words[1])
		if err != nil {
			t.Fatal(err)
		}
		m[key(words[0])] = item{v, words[2]}
	}
	return m
}

func taken(t *testing.T, s *shelf) move.Snapshot {
	t.Helper()
	snapshot, err := move.Take(t.Context(), s, sessions.Primary, 100)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// Every way in which a session can be lost, turned back or doubled has its name; what is kept, written, new or in quarantine is none.
func TestCompare(t *testing.T) {
	t.Parallel()
	before := &shelf{nodes: map[string]map[sessions.Key]item{"": items(t, "kept 1 x", "written 1 x", "lost 1 x", "older 2 x", "apart a=1 x",
		"changed 1 x", "doubled 1 x", "aside 1 x", "both 1 x", "unseen 1 x")}}
	after := &shelf{nodes: map[string]map[sessions.Key]item{"": items(t, "kept 1 x", "written 2 y", "older 1 x", "apart b=1 x", "changed 1 y",
		"doubled 1 x", "doubled@b 1 x", "new 1 x", "both 1 x", "unseen 1 x")}, aside: []sessions.Key{key("aside"), key("both")},
		hidden: map[sessions.Key]bool{key("unseen"): true, key("both"): true}}
	c, err := move.Compare(t.Context(), after, taken(t, before), taken(t, after))
	if err != nil {
		t.Fatal(err)
	}
	want := map[move.What]int{move.Lost: 1, move.Older: 1, move.Apart: 1, move.Changed: 1, move.Doubled: 2}
	if !maps.Equal(c.Count, want) || c.Kept != 3 || c.Written != 1 || c.SetAside != 1 || c.New != 1 || c.OK() || !c.Contents {
		t.Errorf("got %+v, want %v", c, want)
	}
	got := map[string]move.What{}
	for _, f := range c.Named {
		got[f.Key.String()] = f.What
	}
	for name, what := range map[string]move.What{"lost": move.Lost, "older": move.Older, "apart": move.Apart, "changed": move.Changed,
		"doubled@b": move.Doubled, "both": move.Doubled} {
		if got[name] != what {
			t.Errorf("%s is %q, want %q", name, got[name], what)
		}
	}
}

// The two sides are judged by what does not move: what was on its way is no finding, what stays different is one.
func TestBoth(t *testing.T) {
	t.Parallel()
	s := &shelf{nodes: map[string]map[sessions.Key]item{
		"":  items(t, "same 1 x", "late 2 y", "lost 1 x", "other 1 x", "older 2 x"),
		"r": items(t, "same 1 x", "late 1 x", "other 1 z", "older 1 x", "surplus 1 x", "ahead 1 x"),
	}}
	s.nodes[""][key("ahead")] = item{sessions.Counter(0), "x"}
	s.write = func(reads int) {
		if reads == 3 { // between the first look at the primary and the one at the replica it arrives
			s.nodes["r"][key("late")] = s.nodes[""][key("late")]
		}
	}
	_, sides, err := move.Both(t.Context(), s, "r", 100)
	want := map[move.What]int{move.Lost: 1, move.Changed: 1, move.Older: 1, move.Doubled: 1, move.Apart: 1}
	if err != nil || !maps.Equal(sides.Count, want) || sides.Sessions != 6 || sides.Again != 6 {
		t.Errorf("got %+v, %v, want %v", sides, err, want)
	}
	if _, _, err := move.Both(t.Context(), s, "r", 5); err == nil {
		t.Error("more sessions than allowed are read")
	}
}

// A session that is written whenever it is looked at is judged by its version alone: between is right, before is not.
func TestBothMoving(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]uint64{"between": 0, "long ago": 40} {
		n := uint64(50)
		s := &shelf{nodes: map[string]map[sessions.Key]item{"": items(t, "s 50 x"), "r": items(t, "s 1 x")}}
		s.write = func(int) {
			n++
			print := string(rune('a' + n%20))
			s.nodes["r"][key("s")] = item{sessions.Counter(n - behind), "r" + print}
			n++
			s.nodes[""][key("s")] = item{sessions.Counter(n), "p" + print}
		}
		_, sides, err := move.Both(t.Context(), s, "r", 100)
		if err != nil || sides.OK() != (behind == 0) || behind == 0 && sides.Moving != 1 || behind > 0 && sides.Count[move.Older] != 1 {
			t.Errorf("%s: %+v, %v", name, sides, err)
		}
	}
}

// endless is a store whose list never ends.
type endless struct{ *shelf }

func (e endless) Contents(ctx context.Context, q sessions.Query) (sessions.Contents, error) {
	c, err := e.shelf.Contents(ctx, q)
	c.Next = "again"
	return c, err
}

// A store that promises one page more for ever is not believed.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	s := endless{&shelf{nodes: map[string]map[sessions.Key]item{"": items(t, "a 1 x")}}}
	if _, err := move.Take(t.Context(), s, sessions.Primary, 100); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("got %v", err)
	}
}

// A snapshot that was written down is read as it was, and one that is not whole is refused.
func TestWrittenDown(t *testing.T) {
	t.Parallel()
	s := taken(t, &shelf{nodes: map[string]map[sessions.Key]item{"": items(t, "a 1 x", "b@n a=1,b=2 y")}})
	s.Store = "shop"
	var text bytes.Buffer
	if err := s.Write(&text); err != nil {
		t.Fatal(err)
	}
	again, err := move.Read(bytes.NewReader(text.Bytes()))
	if err != nil || again.Digest() != s.Digest() || again.Store != "shop" || len(again.Sessions) != 2 || again.From != s.From || !again.At.Equal(s.At) {
		t.Errorf("got %+v, %v", again, err)
	}
	for name, bad := range map[string]string{
		"cut off": text.String()[:text.Len()/2], "empty": "", "not one": text.String() + text.String(),
		"another format": strings.Replace(text.String(), `"format":1`, `"format":2`, 1),
		"unknown":        strings.Replace(text.String(), `"format":1`, `"format":1,"x":1`, 1),
		"twice":          strings.Replace(text.String(), `"id":"b","copy":"n"`, `"id":"a"`, 1),
		"no time":        `{"format":1,"at":"0001-01-01T00:00:00Z","from":{"history":"h","position":1},"to":{"history":"h","position":1},"contents":true,"sessions":[]}`,
	} {
		if _, err := move.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

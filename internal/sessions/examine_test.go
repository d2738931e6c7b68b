package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// sides answers looks at the primary one after the other, the last one for ever, and always the same at the replica.
type sides struct {
	sessions.Looker
	primary [][]sessions.Session
	replica []sessions.Session
}

func (s *sides) List(_ context.Context, q sessions.Query) (sessions.Page, error) {
	if q.Node != sessions.Primary {
		return sessions.Page{Sessions: s.replica}, nil
	}
	now := s.primary[0]
	if len(s.primary) > 1 {
		s.primary = s.primary[1:]
	}
	return sessions.Page{Sessions: now}, nil
}

// at is a session in a version, owned by a.
func at(v sessions.Version) []sessions.Session {
	return []sessions.Session{{Key: sessions.Key{ID: "s"}, Owner: "a", Epoch: 1, Version: v}}
}

// What differs is drift only if it cannot have been on its way.
func TestExamine(t *testing.T) {
	t.Parallel()
	none := []sessions.Session(nil)
	one, two := at(sessions.Version{"a": 1}), at(sessions.Version{"a": 2})
	apart := at(sessions.Version{"b": 1})
	other := at(sessions.Version{"a": 1})
	other[0].Owner = "b"
	list := func(l ...[]sessions.Session) [][]sessions.Session { return l }
	for name, tc := range map[string]struct {
		primary [][]sessions.Session
		replica []sessions.Session
		want    sessions.Drift
	}{
		"the same":                           {list(one), one, ""},
		"behind":                             {list(two), one, sessions.Behind},
		"lost":                               {list(one), none, sessions.Lost},
		"surplus":                            {list(none), one, sessions.Surplus},
		"ahead":                              {list(one), two, sessions.Ahead},
		"apart":                              {list(one), apart, sessions.Apart},
		"another owner":                      {list(one), other, sessions.OtherOwner},
		"written after the first list":       {list(one, two), two, ""},
		"written while it was confirmed":     {list(one, one, two), two, ""},
		"removed while it was confirmed":     {list(one, one, none), none, ""},
		"made while it was confirmed":        {list(none, none, one), one, ""},
		"behind although it was written too": {list(two, two, at(sessions.Version{"a": 3})), one, sessions.Behind},
	} {
		found, err := sessions.Examine(t.Context(), &sides{primary: tc.primary, replica: tc.replica}, "r", 0, 10)
		var got sessions.Drift
		if len(found) > 0 {
			got = found[0].Drift
		}
		if err != nil || got != tc.want || len(found) > 1 {
			t.Errorf("%s: got %v, %v, want %q", name, found, err, tc.want)
		}
	}
}

// Half a bucket is never judged.
func TestExamineIsBounded(t *testing.T) {
	t.Parallel()
	var many []sessions.Session
	for i := range 11 {
		many = append(many, sessions.Session{Key: sessions.Key{ID: fmt.Sprint(i)}})
	}
	if _, err := sessions.Examine(t.Context(), &sides{primary: [][]sessions.Session{many}}, "r", 0, 10); err == nil {
		t.Error("more than the limit is read")
	}
}

func TestDiffer(t *testing.T) {
	t.Parallel()
	a := sessions.Digest{Buckets: []sessions.Bucket{{Count: 1, Hash: "x"}, {Count: 2, Hash: "y"}}}
	b := sessions.Digest{Buckets: []sessions.Bucket{{Count: 1, Hash: "x"}, {Count: 2, Hash: "z"}}}
	if got := sessions.Differ(a, b); fmt.Sprint(got) != "[1]" {
		t.Errorf("got %v", got)
	}
	if got := sessions.Differ(a, sessions.Digest{}); len(got) != 2 {
		t.Errorf("digests of two shapes differ in %v", got)
	}
	if got := sessions.Differ(a, a); got != nil || a.Count() != 3 {
		t.Errorf("a digest differs from itself in %v", got)
	}
}

// A query is refused before anything is asked.
func TestQueryIsChecked(t *testing.T) {
	t.Parallel()
	for _, q := range []sessions.Query{
		{Limit: -1}, {Limit: sessions.MostListed + 1}, {Bucket: sessions.Buckets + 1}, {IDs: []string{""}}, {IDs: []string{"a@b"}},
	} {
		if err := q.Check(); !errors.Is(err, sessions.ErrRequest) {
			t.Errorf("%+v: got %v", q, err)
		}
	}
	var q sessions.Query
	if err := q.Check(); err != nil || q.Limit != sessions.MostListed {
		t.Errorf("got %+v, %v", q, err)
	}
}

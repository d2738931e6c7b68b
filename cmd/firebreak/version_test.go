package main

import (
	"encoding/json"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// What a build says of itself is what it was told, and nothing is made up for what is unknown.
func TestThisBuild(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	clone := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20260131120000-0123abc+dirty"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-01-31T12:00:00Z"}, {Key: "vcs.modified", Value: "true"}}}
	for _, c := range []struct {
		name, stamp string
		info        *debug.BuildInfo
		want        build
	}{
		{name: "a release", stamp: "v1.2.3,0123abc,2026-01-31T12:00:00Z,false", info: clone,
			want: build{Version: "v1.2.3", Commit: "0123abc", Committed: "2026-01-31T12:00:00Z", Modified: &no}},
		{name: "a snapshot", stamp: "v1.2.3-4-g0123abc-dirty,0123abc,2026-01-31T12:00:00Z,true",
			want: build{Version: "v1.2.3-4-g0123abc-dirty", Commit: "0123abc", Committed: "2026-01-31T12:00:00Z", Modified: &yes}},
		{name: "an image of an unknown commit", stamp: "v1.2.3,,,", info: clone, want: build{Version: "v1.2.3"}},
		{name: "a stamp with one field, and with a time that is none", stamp: "v1,x,yesterday,maybe", want: build{Version: "v1", Commit: "x"}},
		{name: "a clone", info: clone,
			want: build{Version: "v1.2.4-0.20260131120000-0123abc+dirty", Commit: "0123abc", Committed: "2026-01-31T12:00:00Z", Modified: &yes}},
		{name: "neither", info: &debug.BuildInfo{}, want: build{Version: unstamped}},
		{name: "nothing", want: build{Version: unstamped}},
	} {
		c.want.Go, c.want.OS, c.want.Arch = runtime.Version(), runtime.GOOS, runtime.GOARCH
		if got := thisBuild(c.stamp, c.info); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Both forms say the same.
func TestVersionCommand(t *testing.T) {
	t.Parallel()
	var got build
	if err := json.Unmarshal([]byte(printed(t, "version", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	text := printed(t, "version")
	if got.Version != buildVersion() || !strings.HasPrefix(text, "firebreak "+got.Version+" "+runtime.Version()+" ") || !strings.Contains(text, got.Commit) {
		t.Errorf("got %+v and %q", got, text)
	}
	no, yes := false, true
	for want, modified := range map[string]*bool{", not known whether modified\n": nil, ", modified\n": &yes, ", not modified\n": &no} {
		var out strings.Builder
		err := build{Version: "v1", Commit: "abc", Committed: "2026-01-31T12:00:00Z", Modified: modified}.print(&out, false)
		if err != nil || !strings.Contains(out.String(), "\ncommit abc of 2026-01-31T12:00:00Z"+want) {
			t.Errorf("got %q, %v, want %q", out.String(), err, want)
		}
	}
}

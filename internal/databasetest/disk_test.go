package databasetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// TestSlowDisk: the standby's disk takes what is written and is slow to make it durable. Neither the link nor replay is at fault, and it is
// found for what it is. Not parallel: its servers are started with a library that makes a disk slow, see testdata.
func TestSlowDisk(t *testing.T) {
	bin := blackbox.Build(t)
	l := blackbox.NewLane(t)
	t.Cleanup(l.End)
	t.Setenv("LD_PRELOAD", compileSlowDisk(l))
	b := startLab(l, map[string]string{"fsync": "on"})
	cases := plan(tableDisk, []kase{{cause: "standby's disk", run: slowDisk}})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.ran = true
			defer func() { c.v.Failed = t.Failed() }()
			defer l.Enter(t)()
			b.heal()
			r := newRun(t, b, bin, usual(), &c.v)
			c.run(r)
			r.judge()
		})
	}
	t.Logf("\n%s", blackbox.Table(results(tableDisk, cases)))
}

// compileSlowDisk makes the library, where the servers' user can read it.
func compileSlowDisk(l *blackbox.Lane) string {
	library := filepath.Join(testbed.Folder(l, "postgres"), "slowsync.so")
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	source := filepath.Join("testdata", "slowsync.c")
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		l.Fatalf("compile %s: %v\n%s", source, err, out)
	}
	if err := os.Chmod(library, 0o644); err != nil {
		l.Fatalf("make the library readable: %v", err)
	}
	return library
}

// slowDisk makes the standby's disk slow until its readers have been taken away.
func slowDisk(r *run) {
	r.watch(drainFor("standby_disk"))
	stop := r.load(400_000)
	r.measured()
	flag := filepath.Join(r.victim().Value(r.t, "show data_directory"), "slow_sync")
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		r.t.Fatalf("make the disk slow: %v", err)
	}
	mend := func() {
		if err := os.Remove(flag); err != nil && !os.IsNotExist(err) {
			r.t.Errorf("make the disk fast: %v", err)
		}
	}
	r.t.Cleanup(mend)
	r.await("what was written to wait for the disk", func() bool {
		v, err := r.Primary.Ask(`select replay_lag > interval '3 s' and pg_wal_lsn_diff(write_lsn, flush_lsn) > 400000
			from pg_stat_replication where application_name = '` + r.victim().ApplicationName + `'`)
		return err == nil && v == "t"
	})
	r.drains(func() { r.mend(); stop(); mend() })
}

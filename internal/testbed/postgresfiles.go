package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// postgresHome is where Debian installs the versions of PostgreSQL, which are not in the search path.
const postgresHome = "/usr/lib/postgresql"

// settingsFile is the part of a node's configuration that is ours. It is read last but for what ALTER SYSTEM wrote.
const settingsFile = "testbed.conf"

// postgresBinaries is the folder of the newest version that is installed, or "" where they are in the search path.
func postgresBinaries(t TB) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(postgresHome, "*", "bin", "initdb"))
	if err != nil {
		t.Fatalf("testbed: look for PostgreSQL: %v", err)
	}
	newest, version := "", -1
	for _, path := range paths {
		dir := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil && v > version {
			newest, version = dir, v
		}
	}
	if newest != "" {
		return newest
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	notInstalled(t, "postgresql", "PostgreSQL (initdb, postgres, pg_basebackup)")
	return ""
}

// runTool runs a program of PostgreSQL to its end, as its user. What it prints goes into a file in that folder.
func runTool(dir, path string, args ...string) error {
	name := filepath.Base(path)
	logPath := filepath.Join(dir, name+".log")
	run, err := launch(Command{Name: name, Path: path, Args: args, Dir: dir, Env: plainEnvironment(), User: postgresUser}, logPath)
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	<-run.ended
	if run.err == nil {
		return nil
	}
	out, err := os.ReadFile(logPath)
	if err != nil {
		return errors.Join(run.err, err)
	}
	return fmt.Errorf("run %s: %w: %s", name, run.err, bytes.TrimSpace(out))
}

// plainEnvironment is ours without what would change how PostgreSQL's programs behave, or the language that servers speak.
func plainEnvironment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// writeSettings replaces a node's settings.
func (n *PostgresNode) writeSettings() error {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n.settings)) {
		fmt.Fprintf(&b, "%s = %s\n", name, quoteSetting(n.settings[name]))
	}
	if err := writeFor(postgresUser, filepath.Join(n.dir, settingsFile), []byte(b.String())); err != nil {
		return fmt.Errorf("write the settings of %s: %w", n.Name, err)
	}
	return nil
}

// quoteSetting writes a value as a configuration file has it.
func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}

// includeSettings makes the configuration that initdb wrote end with ours; copies of the folder inherit that.
func (n *PostgresNode) includeSettings(hba []string) error {
	f, err := os.OpenFile(filepath.Join(n.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure %s: %w", n.Name, err)
	}
	defer f.Close()
	if _, err := f.WriteString("include '" + settingsFile + "'\n"); err != nil {
		return fmt.Errorf("configure %s: %w", n.Name, err)
	}
	const loopback = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
	rules := strings.Join(append(slices.Clone(hba), loopback), "\n")
	return writeFor(postgresUser, filepath.Join(n.dir, "pg_hba.conf"), []byte(rules))
}

// postmasterFile is what a running postmaster writes into its folder: its pid in the first line, the id of its shared memory in the
// seventh and how far its start has come in the eighth.
func (n *PostgresNode) postmasterFile() (pid, sharedMemory int, status string) {
	b, err := os.ReadFile(filepath.Join(n.dir, "postmaster.pid"))
	if err != nil {
		return 0, -1, ""
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 8 {
		return 0, -1, ""
	}
	sharedMemory = -1
	if keys := strings.Fields(lines[6]); len(keys) == 2 {
		if id, err := strconv.Atoi(keys[1]); err == nil {
			sharedMemory = id
		}
	}
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return 0, -1, ""
	}
	return pid, sharedMemory, strings.TrimSpace(lines[7])
}

// accepts is true when the latest start accepts sessions: as a primary, or as a standby whose data is consistent.
func (n *PostgresNode) accepts() bool {
	pid, _, status := n.postmasterFile()
	return status == "ready" && pid == n.PID()
}

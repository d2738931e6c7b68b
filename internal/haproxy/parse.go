package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// stateVersion is the version of the format of "show servers state", its first line.
	stateVersion = "1"
	running      = 2   // srv_op_state: neither stopped, starting nor stopping
	checkOn      = 0x6 // srv_check_state: configured and enabled
	checkPaused  = 0x8
)

// table finds the cells of a row by the names in its header.
type table struct {
	columns map[string]int
	width   int
}

func newTable(names []string) (table, error) {
	t := table{columns: map[string]int{}, width: len(names)}
	for i, name := range names {
		if _, twice := t.columns[name]; twice && name != "" && name != "-" {
			return t, fmt.Errorf("column %.40q is there twice", name)
		}
		t.columns[name] = i
	}
	return t, nil
}

// row reads the cells of one row; the first thing that is wrong with them is kept.
type row struct {
	table
	cells []string
	err   error
}

func (t table) row(cells []string) *row {
	r := &row{table: t, cells: cells}
	if len(cells) != t.width {
		r.err = fmt.Errorf("a row has %d cells, the header %d", len(cells), t.width)
	}
	return r
}

func (r *row) text(column string) string {
	i, known := r.columns[column]
	if !known && r.err == nil {
		r.err = fmt.Errorf("there is no column %s", column)
	}
	if r.err != nil {
		return ""
	}
	return r.cells[i]
}

func (r *row) number(column string) int {
	s := r.text(column)
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		r.err = fmt.Errorf("%s is %.40q, not a number", column, s)
	}
	return int(n)
}

// parseState reads "show servers state <backend>": a version, a header that begins with "#", and a row for each server.
func parseState(text, backend string) ([]Server, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if lines[0] != stateVersion {
		return nil, fmt.Errorf("read servers: format version %.40q is not known", lines[0])
	}
	if len(lines) < 2 || !strings.HasPrefix(lines[1], "# ") {
		return nil, errors.New("read servers: there is no header")
	}
	t, err := newTable(strings.Fields(lines[1][2:]))
	if err != nil {
		return nil, fmt.Errorf("read servers: %w", err)
	}
	var servers []Server
	seen := map[string]bool{}
	for _, line := range lines[2:] {
		r := t.row(strings.Fields(line))
		s := stateOf(r)
		switch owner := r.text("be_name"); {
		case r.err != nil:
			return nil, fmt.Errorf("read servers: %w", r.err)
		case owner != backend:
			return nil, fmt.Errorf("read servers of %s: a row is of backend %.40q", backend, owner)
		case s.Name == "" || seen[s.Name]:
			return nil, fmt.Errorf("read servers of %s: server %.40q is there twice", backend, s.Name)
		}
		seen[s.Name] = true
		servers = append(servers, s)
	}
	return servers, nil
}

func stateOf(r *row) Server {
	check := r.number("srv_check_state")
	return Server{
		Name: r.text("srv_name"), Addr: net.JoinHostPort(r.text("srv_addr"), r.text("srv_port")),
		Admin: Admin(r.number("srv_admin_state")), OperationalUp: r.number("srv_op_state") == running,
		Checked: check&checkOn == checkOn && check&checkPaused == 0, Weight: r.number("srv_uweight"),
		Since: time.Duration(r.number("srv_time_since_last_change")) * time.Second,
	}
}

// addStatistics reads "show stat <backend> 4 -1", which is CSV, for what the state does not tell. Every server must be in it.
func addStatistics(servers []Server, text, backend string) error {
	lines := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	records, err := lines.ReadAll()
	if err != nil || len(records) == 0 {
		return fmt.Errorf("read statistics: they are not a table: %w", err)
	}
	t, err := newTable(records[0])
	if err != nil {
		return fmt.Errorf("read statistics: %w", err)
	}
	found := map[string]*row{}
	for _, cells := range records[1:] {
		r := t.row(cells)
		if r.text("pxname") == backend {
			found[r.text("svname")] = r
		}
		if r.err != nil {
			return fmt.Errorf("read statistics: %w", r.err)
		}
	}
	for i := range servers {
		r, known := found[servers[i].Name]
		if !known {
			return fmt.Errorf("read statistics of %s: server %s is not in them", backend, servers[i].Name)
		}
		servers[i].Sessions, servers[i].Backup = r.number("scur"), r.number("bck") > 0
		if r.err != nil {
			return fmt.Errorf("read statistics: %w", r.err)
		}
	}
	return nil
}

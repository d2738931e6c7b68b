package pgbouncer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// What is something that the console shows.
type What string

// What can be shown. CLIENTS, SERVERS and POOLS are as long as there are such.
const (
	ShowPools     What = "POOLS"
	ShowDatabases What = "DATABASES"
	ShowStats     What = "STATS"
	ShowClients   What = "CLIENTS"
	ShowServers   What = "SERVERS"
	ShowConfig    What = "CONFIG"
	ShowVersion   What = "VERSION"
	ShowLists     What = "LISTS"
)

// shown are all of them.
func shown() []What {
	return []What{ShowPools, ShowDatabases, ShowStats, ShowClients, ShowServers, ShowConfig, ShowVersion, ShowLists}
}

// Row is one line of an answer, by the names of its columns. What is NULL is not in it.
type Row map[string]string

// Show reads. Any user of the console may.
func (c *Console) Show(ctx context.Context, what What) ([]Row, error) {
	if !slices.Contains(shown(), what) {
		return nil, fmt.Errorf("%w: %.40q cannot be shown here", ErrNotSent, what)
	}
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	return c.show(ctx, what)
}

// Sight is what a change is compared with, and judged by: the databases and the settings, read one right after the other.
type Sight struct {
	Databases []Database
	Settings  Settings
}

// Find is a database by its name.
func (s Sight) Find(name string) (Database, bool) {
	for _, d := range s.Databases {
		if d.Name == name {
			return d, true
		}
	}
	return Database{}, false
}

// Look reads the databases and the settings.
func (c *Console) Look(ctx context.Context) (Sight, error) {
	if err := c.take(ctx); err != nil {
		return Sight{}, err
	}
	defer c.give()
	return c.look(ctx)
}

func (c *Console) look(ctx context.Context) (s Sight, err error) {
	rows, err := c.show(ctx, ShowConfig)
	if err == nil {
		s.Settings, err = settings(rows)
	}
	if err != nil {
		return Sight{}, err
	}
	if rows, err = c.show(ctx, ShowDatabases); err == nil { // last, as it is what most often changes
		s.Databases, err = databases(rows)
	}
	return s, err
}

// Databases are those that SHOW DATABASES lists, the console itself left out.
func (c *Console) Databases(ctx context.Context) ([]Database, error) {
	return read(ctx, c, ShowDatabases, databases)
}

// Pools are those that exist by now, one for each pair of database and user, the console's left out.
func (c *Console) Pools(ctx context.Context) ([]Pool, error) { return read(ctx, c, ShowPools, pools) }

// Stats are the counters of each database since the pooler started, the console's left out.
func (c *Console) Stats(ctx context.Context) ([]Stat, error) { return read(ctx, c, ShowStats, stats) }

// Clients are all connections to the pooler, those to the console among them.
func (c *Console) Clients(ctx context.Context) ([]Client, error) {
	return read(ctx, c, ShowClients, clients)
}

// Config are the settings as they are now, with every SET.
func (c *Console) Config(ctx context.Context) (Settings, error) {
	return read(ctx, c, ShowConfig, settings)
}

// read shows something and reads its rows.
func read[T any](ctx context.Context, c *Console, what What, parse func([]Row) (T, error)) (T, error) {
	rows, err := c.Show(ctx, what)
	if err != nil {
		var none T
		return none, err
	}
	return parse(rows)
}

// Clock is the pooler's own time, in whole seconds, as it shows it for our own connection. It is false where that cannot be found: where the
// pooler sees another address of us than we do, writes times in another zone than UTC, or has more than most clients.
func (c *Console) Clock(ctx context.Context, most int) (time.Time, bool, error) {
	if err := c.take(ctx); err != nil {
		return time.Time{}, false, err
	}
	defer c.give()
	rows, err := c.show(ctx, ShowLists)
	if err != nil {
		return time.Time{}, false, err
	}
	few := slices.ContainsFunc(rows, func(r Row) bool {
		n, err := strconv.Atoi(r["items"])
		return r["list"] == "used_clients" && err == nil && n <= most
	})
	if !few {
		return time.Time{}, false, nil
	}
	rows, err = c.show(ctx, ShowClients)
	if err != nil {
		return time.Time{}, false, err
	}
	list, err := clients(rows)
	if err != nil || c.line == nil {
		return time.Time{}, false, err
	}
	ours := c.line.conn.Conn().LocalAddr().String()
	for _, client := range list {
		if client.Database == console && client.Address() == ours && !client.RequestTime.IsZero() {
			return client.RequestTime, true, nil
		}
	}
	return time.Time{}, false, nil
}

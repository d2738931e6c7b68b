package policy

import (
	"net/url"
	"slices"
	"strings"
)

// checkArchive looks at where incidents are archived. The address holds a password: nothing of it is ever said.
func (d *document) checkArchive(p *Policy) {
	if p.Archive == nil {
		return
	}
	const path, file = "archive.url", "archive.url_file"
	switch {
	case !d.sound(path, file):
	case p.Archive.URL == "":
		d.wrong(path, "is missing: write url or url_file, such as postgres://firebreak@db.example.com/firebreak")
	default:
		if said := databaseProblem(p.Archive.URL.Reveal()); said != "" {
			d.wrong(d.either(path, file), "%s (it is a secret, so it is not shown)", said)
		}
	}
	d.checkArchiveSchema(p.Archive.Schema)
	const keep = "archive.keep"
	if d.sound(keep, "bus.max_age") && p.Archive.Keep < p.Bus.MaxAge {
		d.wrong(keep, "is %s, less than the bus itself keeps (bus.max_age, %s): raise it, or take the archive out", p.Archive.Keep.short(), p.Bus.MaxAge.short())
	}
}

// databaseProblem says what is wrong with the address of a database, or "".
func databaseProblem(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "must be an address such as postgres://firebreak@db.example.com/firebreak"
	}
	q := u.Query()
	switch mode := q.Get("sslmode"); {
	case u.Host == "" && q.Get("host") == "":
		return "names no host"
	case u.User.Username() == "" && q.Get("user") == "":
		return "names no user"
	case strings.Trim(u.Path, "/") == "" && q.Get("dbname") == "" && q.Get("database") == "":
		return "names no database"
	case mode != "" && !slices.Contains(sslModes(), mode):
		return "has another sslmode than " + strings.Join(sslModes(), ", ")
	}
	return ""
}

// checkArchiveSchema holds that the schema is one that can be the archive's alone, and is written as PostgreSQL keeps it.
func (d *document) checkArchiveSchema(name string) {
	const path, longest = "archive.schema", 63
	const letters = "abcdefghijklmnopqrstuvwxyz_"
	switch {
	case !d.sound(path):
	case name == "" || len(name) > longest || strings.Trim(name, letters+"0123456789") != "" || !strings.ContainsRune(letters, rune(name[0])):
		d.wrong(path, "must be of small letters, digits and '_', at most %d, and begin with no digit, got %s", longest, d.written(path))
	case strings.HasPrefix(name, "pg_") || name == "information_schema" || name == "public":
		d.wrong(path, "%s belongs to others: name one that is the archive's alone", d.written(path))
	}
}

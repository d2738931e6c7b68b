package testbed

import (
	"strings"
	"testing"
)

const exporterQueries = `
items:
  query: "select count(*)::float8 as total from items"
  metrics:
    - total: {usage: "GAUGE", description: "how many items there are"}
`

// The exporter says that its node is up, what the test's own queries give, and that the node is down when it is.
func TestPostgresExporter(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: -1})
	e := StartPostgresExporter(t, PostgresExporterOptions{Target: c.Primary, Queries: exporterQueries})
	exports := func(line string) func() bool {
		return func() bool {
			metrics, err := e.Metrics(t.Context())
			return err == nil && strings.Contains(metrics, "\n"+line+"\n")
		}
	}
	Await(t, within, "the node to be up", exports("pg_up 1"))
	// Its address is the label server; only its own queries give the number.
	Await(t, within, "the query's answer", exports(`items_total{server="`+c.Primary.Addr+`"} 100`))
	c.Primary.Stop()
	Await(t, within, "the node to be down", exports("pg_up 0"))
}

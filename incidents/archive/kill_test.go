package archive

import (
	"encoding/json"
	"os"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// startChild starts an archive in a process of its own. What it returns ends that by SIGKILL.
func (p *place) startChild(token string) (end func()) {
	p.t.Helper()
	told, err := json.Marshal(orders{Bus: p.bus.ClientURL(), Token: token, URL: p.cfg.URL, Schema: p.schema})
	if err != nil {
		p.t.Fatal(err)
	}
	path, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	process := testbed.Start(p.t, testbed.Command{Name: "archive", Path: path, Env: append(os.Environ(), childOf+"="+string(told))})
	return process.Kill9
}

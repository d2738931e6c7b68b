package archcheck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Room is a folder with one job, and what it may import of this project for that.
type Room struct {
	// Folder is a path from the root. With "/..." it is everything below too. The longest that fits counts.
	Folder string
	// May are the folders that it may import, written like Folder. A folder may always import what lies below itself if
	// Below is set.
	May   []string
	Below bool
	// Tests are folders that its tests may import besides.
	Tests []string
	// Why says why not more.
	Why string
}

// anything is a room's May that allows everything.
const anything = "..."

// testbed starts real servers; production code has no business with it.
const testbed = "internal/testbed"

// checks are this package's own; any test may ask what its package reaches, and production code has no business with them.
const checks = "internal/archcheck"

// failpoint marks places where tests crash the process; in production it is empty.
const failpoint = "internal/failpoint"

// tracing begins spans and knows nothing of where they go: the library that sends them is below it, for cmd alone.
const tracing = "internal/tracing"

// servers are clients of the systems that handlers look at and fixes change: leaves, which know nothing of either.
func servers() []string {
	return []string{"internal/postgres", "internal/haproxy", "internal/pgbouncer", "internal/sessions/...", "internal/topology"}
}

// bounds are what says what a fix can never pass, without what makes it.
func bounds() []string {
	var list []string
	for _, fix := range []string{"breaker", "haproxy", "httpadmin", "pgbouncer", "postgres", "sessions"} {
		list = append(list, "remediations/"+fix+"/bounds")
	}
	return list
}

// thinkers are what a failure family may rest on where it thinks: nothing that can reach a system.
func thinkers() []string {
	return []string{"alerts", "policy", "remediations", "incidents", "handlers/think", "internal/topology"}
}

// families are the rooms of the failure families: each is a folder that thinks, with one below it that looks. What one thinks about besides is
// a leaf that can reach nothing either.
func families() []Room {
	var rooms []Room
	for _, f := range []struct {
		name    string
		besides []string
	}{
		{name: "retrystorm"}, {name: "replicationlag"}, {name: "poolexhaustion"},
		{name: "sessiondrift", besides: []string{"internal/sessions"}},
	} {
		thinks := "handlers/" + f.name
		may := slices.Concat(thinkers(), f.besides)
		rooms = append(rooms,
			Room{Folder: thinks, May: may, Why: "it only thinks: a replay runs it, so nothing that it imports can reach a system; it knows no other family, no fix and nobody who is told"},
			Room{Folder: thinks + "/probe/...", May: slices.Concat(may, []string{thinks}, servers()), Below: true, Why: "it only looks, for its own family: it knows no other family, no fix and nobody who is told"})
	}
	return rooms
}

// Rooms are all folders with Go in them. Tests may import what lies below the folders that their room may import,
// internal/testbed and internal/archcheck; that is all that sets them apart.
func Rooms() []Room {
	return append(rooms(), families()...)
}

// rooms are all but those of the failure families, which are alike.
func rooms() []Room {
	const leaf = "it is a leaf: it knows its subject and nothing of what is done about it"
	return []Room{
		{Folder: "alerts", Why: leaf},
		{Folder: "alerts/...", May: []string{"alerts"}, Below: true, Why: "it reads alerts; what is done about them is not its business"},
		{Folder: "bus/...", May: []string{"bus", failpoint}, Below: true, Why: leaf},
		{Folder: "bus/stored", Why: "those who only read the past import it, so it brings no client"},
		{Folder: "receiver/...", May: []string{"alerts/...", "bus/...", tracing, failpoint}, Below: true, Why: "it publishes and never acts"},
		{Folder: "policy/...", May: []string{"alerts", "policy"}, Below: true, Why: "it says what is allowed; those who ask import it, never the other way"},

		{Folder: "remediations", May: []string{"policy"}, Why: "it is the contract of a fix and its bounds; fixes import it, never the other way"},
		{Folder: "remediations/...", May: append([]string{"policy", "bus/...", "remediations", failpoint}, servers()...), Below: true, Why: "a fix changes one thing; it knows no other fix, no handler and no incident"},
		{Folder: "remediations/guard", May: []string{"policy", "alerts/...", "remediations", "remediations/windows"}, Tests: []string{"bus/..."}, Why: "it says no from outside; it knows no handler, and its documents are brought to it"},
		{Folder: "remediations/windows", May: []string{"policy", "remediations"}, Why: "a replay asks it about the past, so it brings no client"},
		{Folder: "remediations/known", May: append([]string{"policy", "remediations"}, bounds()...), Tests: []string{"remediations/..."}, Why: "a replay asks it for the bounds of all fixes, so it brings none of those that make them"},
		{Folder: "remediations/ledger", May: []string{"policy", "remediations"}, Tests: []string{"bus/..."}, Why: "its limits are also tried on the past, so it brings no client"},
		{Folder: "remediations/breaker/client/...", May: []string{"remediations/breaker/lease"}, Tests: []string{"policy", "bus/...", "remediations/..."}, Why: "services import it, so it brings nothing of ours but the lease's format"},
		{Folder: "remediations/breaker/lease", Why: "services import it through the client, so it brings nothing of ours"},

		{Folder: "incidents/...", May: []string{"alerts", "bus/...", "policy", "remediations", "incidents", failpoint}, Below: true, Why: "it is the record; it knows what is written, not who decides or tells"},
		{Folder: "incidents", May: []string{"alerts", "bus/stored", "policy", "remediations"}, Tests: []string{"bus/..."}, Why: "a replay reads it, so it brings no client: where records are kept is brought to it"},
		{Folder: "handlers", May: []string{"alerts/...", "bus/...", "policy", "remediations", "remediations/guard", "remediations/ledger", "incidents/...", "handlers/think", tracing, failpoint}, Why: "the loop knows no failure family and no fix by name; cmd brings them"},
		{Folder: "handlers/modeltest", May: []string{"alerts/...", "bus/...", "policy", "remediations", "incidents/...", "handlers", "handlers/think", failpoint}, Tests: []string{"remediations/..."}, Why: "it models the world around the loop; a failure family is named in families, with what it may rest on"},
		{Folder: "handlers/think", May: []string{"alerts", "policy", "remediations", "incidents"}, Why: "it only thinks: a replay runs it, so nothing that it imports can reach a system"},
		{Folder: "handlers/replay", May: []string{"alerts", "bus/stored", "policy", "remediations", "remediations/ledger", "incidents", "handlers/think"}, Why: "it runs the rules on the past; nothing that it imports can reach a system"},
		{Folder: "handlers/replay/...", May: []string{"alerts", "bus/stored", "policy", "remediations", "remediations/ledger", "remediations/known", "remediations/windows", "incidents", "handlers/think", "handlers/replay",
			"handlers/retrystorm", "handlers/replicationlag", "handlers/poolexhaustion", "handlers/sessiondrift"}, Tests: []string{"drills/..."}, Below: true, Why: "it runs the rules on the past; nothing that it imports can reach a system"},
		{Folder: "incidents/kpi", May: []string{"alerts", "policy", "remediations", "incidents", "incidents/measure"}, Why: "it counts what the record says"},
		{Folder: "incidents/review", May: []string{"alerts", "policy", "remediations", "incidents", "incidents/measure"}, Why: "it tells what the record says"},
		{Folder: "notify", May: []string{"incidents/...", "policy", "bus/...", "notify/...", tracing}, Tests: []string{"alerts", "remediations"}, Why: "it reads the record from the bus and tells what it says; it decides nothing"},
		{Folder: "notify/...", May: []string{"incidents/...", "policy", "notify"}, Tests: []string{"alerts", "bus/...", "remediations"}, Below: true, Why: "a way to tell somebody knows what is told, not where it is kept"},
		{Folder: "console/...", May: []string{"incidents/...", "policy", "alerts/...", "bus/..."}, Below: true, Why: "it shows what the record says; it changes nothing"},
		{Folder: "console/backlog", May: []string{"incidents", "bus"}, Tests: []string{"alerts", "policy", "remediations"}, Why: "it measures what waits, for whoever looks; it changes nothing"},
		{Folder: "console/operate", May: []string{"incidents/...", "policy", "bus/...", "remediations", "remediations/guard", "remediations/ledger"}, Tests: []string{"alerts/..."}, Why: "people order here; what becomes of it is the desk's, the brake's and the ledger's"},

		{Folder: "drills/...", May: []string{anything}, Why: "it goes through everything public"},
		{Folder: "cmd/...", May: []string{anything}, Why: "it wires everything"},
		{Folder: "deploy/deploytest", May: []string{anything}, Why: "it holds the files of this folder against what the product is"},
		{Folder: "deploy/...", May: []string{"policy", "alerts/..."}, Below: true, Why: "its examples are read by the product's own loader, and do nothing"},
		{Folder: tracing, Why: "it is a leaf: whoever is followed imports it, so it brings nothing that sends anything"},
		{Folder: tracing + "/otlp", May: []string{tracing}, Why: "it sends what it is given, and nothing waits for it"},
		{Folder: "internal/trust", Why: "it is a leaf: TLS and nothing of who connects where"},
		{Folder: "internal/topology", May: []string{"alerts", "policy"}, Why: "it says which cluster and node an alert is about, by the policy alone"},
		{Folder: "internal/sessions/...", May: []string{"policy", "internal/postgres", "internal/sessions/..."}, Below: true, Why: "it is a contract and its stores; what is done by it is not its business"},
		{Folder: "internal/sessiontest", Tests: []string{"internal/sessions/..."}, Why: "it meets stores of sessions from outside, under load"},
		{Folder: "internal/blackbox", May: []string{testbed, testbed + "/..."}, Why: "it runs the real process for tests that stand outside of it"},
		{Folder: "internal/canarytest", Tests: []string{"internal/blackbox", "policy"}, Why: "it meets the product from outside, and reads the policy's own fields to know where a secret may be"},
		{Folder: "internal/crashtest", Tests: []string{"internal/blackbox"}, Why: "it meets the product from outside"},
		{Folder: "internal/databasetest", Tests: []string{"internal/blackbox"}, Why: "it meets the product from outside"},
		{Folder: "internal/drifttest", Tests: []string{"internal/blackbox", "internal/sessions/..."}, Why: "it meets the product from outside; its application speaks to the stores"},
		{Folder: "internal/pooltest", Tests: []string{"internal/blackbox"}, Why: "it meets the product from outside"},
		{Folder: "internal/fieldtest", Tests: []string{"internal/blackbox", "drills/storm"}, Why: "it meets the product from outside, with all that stands between it and a fault"},
		{Folder: "internal/clustertest", May: []string{"bus/..."}, Why: "it tries the bus on a real cluster, and knows nothing of what is kept there"},
		{Folder: "internal/examples/...", May: []string{"alerts", "policy", "remediations", "incidents", "handlers/think", "handlers", "internal/examples/..."}, Tests: []string{"bus/..."}, Below: true, Why: "it is what somebody else would write: it uses what a family and a fix may"},
		{Folder: "internal/...", Below: true, Why: "it serves tests and the build, and must not depend on what it checks"},
	}
}

// imports finds imports that point the wrong way.
func imports(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		room, ok := roomOf(f.folder())
		if !ok {
			found = append(found, Found{Where: f.Path, Words: "folder " + f.folder() + " has no room: give it one in archcheck.Rooms"})
			continue
		}
		for _, spec := range f.Go.Imports {
			target, ours := t.folderOf(spec.Path.Value)
			if ours && !room.allows(f, target) {
				found = append(found, Found{
					Where: f.at(spec),
					Words: fmt.Sprintf("%s imports %s; %s may import only %s", f.folder(), target, room.Folder, room.list(f)),
					Why:   reason(room, target),
				})
			}
		}
	}
	return found
}

// folderOf is the folder of a package of this project.
func (t *Tree) folderOf(quoted string) (string, bool) {
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return "", false
	}
	if name == t.Module {
		return ".", true
	}
	return strings.CutPrefix(name, t.Module+"/")
}

// roomOf is the room with the longest folder that fits.
func roomOf(folder string) (Room, bool) {
	var best Room
	for _, r := range Rooms() {
		if fits(r.Folder, folder) && len(r.Folder) > len(best.Folder) {
			best = r
		}
	}
	// A room that names exactly this folder beats one for everything below it.
	for _, r := range Rooms() {
		if r.Folder == folder {
			best = r
		}
	}
	return best, best.Folder != ""
}

// allows says whether a file of the room may import a folder.
func (r Room) allows(f File, target string) bool {
	own := f.folder()
	everything := slices.Contains(r.May, anything)
	switch {
	case target == own: // a test of a package's outside
		return true
	case target == checks:
		return f.isTest()
	case fits(testbed+"/...", target):
		return f.isTest() || everything || slices.ContainsFunc(r.May, func(pattern string) bool { return fits(pattern, target) })
	case everything:
		return true
	case r.Below && strings.HasPrefix(target, own+"/"):
		return true
	}
	may := func(pattern string) bool { return fits(pattern, target) }
	mayBelow := func(pattern string) bool { return fits(strings.TrimSuffix(pattern, "/...")+"/...", target) }
	if !f.isTest() {
		return slices.ContainsFunc(r.May, may)
	}
	return slices.ContainsFunc(r.May, mayBelow) || slices.ContainsFunc(r.Tests, may) || strings.HasPrefix(target, own+"/")
}

// list is what a file of the room may import, for people.
func (r Room) list(f File) string {
	list := slices.Clone(r.May)
	if r.Below || f.isTest() {
		list = append(list, "what lies below itself")
	}
	if f.isTest() {
		list = append(append(list, "what lies below those", checks, testbed), r.Tests...)
	}
	if len(list) == 0 {
		return "nothing of ours"
	}
	return strings.Join(list, ", ")
}

// reason is why the room may not import the target.
func reason(r Room, target string) string {
	switch {
	case fits(testbed+"/...", target):
		return "the test bed starts servers; only tests, drills and cmd may"
	case target == checks:
		return "it runs the go command; only tests may"
	}
	return r.Why
}

// fits says whether a folder is the pattern's, or below it where the pattern ends in "/...".
func fits(pattern, folder string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return folder == base || (below && strings.HasPrefix(folder, base+"/"))
}

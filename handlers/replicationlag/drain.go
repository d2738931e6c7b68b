package replicationlag

import (
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

type drainParams struct {
	MinReady int `json:"min_ready"`
}

// drain takes readers away from a standby that is too old for them. Replay itself is left alone: it does what it can.
func (r deciding) drain(f finding) incidents.Decision {
	s, slo := f.last(), r.thresholds.SLO
	said := words("%s is %s: %s", f.name, s.lag.words(), r.stuckWords(f))
	reader, in := r.newest().seen.reader(f.name)
	pool := r.newest().seen.Pool
	switch {
	case s.lag.kind == unmeasured:
		return r.wait(f.cause, said+"; in seconds the lag is not known, so it is not known to be over the SLO")
	case s.lag.seconds <= slo.D().Seconds():
		return r.wait(f.cause, words("%s; readers may be up to %s behind", said, slo))
	case r.cluster.missing(fixDrain) != "":
	case pool == nil:
		return r.page(f.cause, said+". Its readers cannot be taken away: the read pool was not looked at")
	case pool.Problem != "":
		return r.page(f.cause, said+". Its readers are not taken away: the read pool could not be read: "+pool.Problem)
	case !in:
		return r.page(f.cause, words("%s. It is not in the read pool, so there are no readers to take away", said))
	case !reader.Ready:
		return r.page(f.cause, words("%s. The read pool sends it no readers already (%s)", said, reader.State))
	default:
		if well, why := r.wellReaders(f.name); well < r.cluster.minReady() {
			return r.page(f.cause, words("%s. Its readers are not taken away: only %s ready and under the SLO, and %d must stay%s",
				said, counted(well, "other reader"), r.cluster.minReady(), why))
		}
	}
	step := remediations.Step{Remediation: "haproxy", Cluster: r.cluster.Cluster, Node: f.name, Fix: fixDrain,
		Params: encode(drainParams{MinReady: r.cluster.minReady()}), TTL: r.cluster.Fix.Limit, Limit: r.cluster.Fix.Limit}
	if reads := r.cluster.topology.Reads; reads != nil && reads.HTTP != nil {
		step.Remediation = "httpadmin"
	}
	return r.act(f.cause, step, words("%s. That is over the SLO of %s, and readers see it", said, slo))
}

// wellReaders counts the other readers that take sessions and are not too old themselves in any of the looks: the primary, or a standby
// whose lag is known and under the SLO. Moving readers from one late standby to another helps nobody.
func (r deciding) wellReaders(without string) (int, string) {
	n, late := 0, []string(nil)
	for _, other := range r.cluster.topology.Nodes {
		if other.Node == without {
			continue
		}
		ready, well := true, true
		for _, s := range r.samples() {
			reader, in := s.seen.reader(other.Node)
			ready = ready && in && reader.Ready
			if other.Node != s.primary.Name {
				st := r.stateOf(s, other)
				// The lag of one whose receiver is silent is what it was when that last spoke.
				well = well && st.readable() && st.doubt == "" && st.attached() && !r.silent(st) && st.lag.known &&
					st.lag.kind != unmeasured && st.lag.seconds <= r.thresholds.SLO.D().Seconds()
			}
		}
		if ready && well {
			n++
		}
		if ready && !well {
			late = append(late, other.Node)
		}
	}
	if len(late) > 0 {
		return n, "; " + strings.Join(late, ", ") + " would be as late"
	}
	return n, ""
}

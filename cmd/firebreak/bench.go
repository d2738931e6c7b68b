package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

type benchCmd struct {
	Ingest benchIngestCmd `cmd:"" help:"Alerts a second that are stored so that they survive a power cut, beside two floors."`
	React  benchReactCmd  `cmd:"" help:"From POST to the change reaching its target, beside a floor."`
	Replay benchReplayCmd `cmd:"" help:"Events a second of the past that are replayed, beside reading them raw."`
}

// latencies are the times of one run.
type latencies []time.Duration

// at is the time within which the share p (0 to 1) of all stayed.
func (l latencies) at(p float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)-1, int(p*float64(len(l))))]
}

func (l latencies) sorted() latencies {
	sort.Slice(l, func(i, j int) bool { return l[i] < l[j] })
	return l
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// numbers reads "1,16,64".
func numbers(flag, text string, most int) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("--%s %q: write numbers from 1 to %d with commas between", flag, text, most)
		}
		out = append(out, n)
	}
	return out, nil
}

// median of an odd or even number of values; the values are sorted.
func median(values []float64) float64 {
	sort.Float64s(values)
	if len(values) == 0 {
		return 0
	}
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// Package fieldtest goes the whole way, on real parts: a fault is made at real servers; real exporters measure it; a real Prometheus finds it by
// the rules that are shipped; a real Alertmanager, Debian's or a newer one, tells the real binary by the configuration that is shipped; the
// binary decides by a policy, makes its change, sees that it helped, takes it back where it stands, and tells a Slack and a PagerDuty, which
// are the only parts that are not real, with PgBouncer's exporter (see [testbed.PgBouncerExporter]). Nobody tells it anything by hand.
//
// Each of the four handlers has a fault. A run fails if the change was another one, missing, made twice or left standing, if Slack or PagerDuty
// heard too little or too much, or if a target of the runbooks is missed by an order of magnitude. How long everything took is printed, and
// never held to the second: it says more about the machine than about us. FIREBREAK_REPORT names a file for that table, and FIREBREAK_LONG=1
// makes twenty runs of each fault, half of them by each Alertmanager, where otherwise there are three.
//
// The rules' waiting times are shorter than what is shipped, by the two factors in scale_test.go, and nothing else in them is changed.
package fieldtest

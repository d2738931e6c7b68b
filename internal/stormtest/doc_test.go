// Package stormtest lets thousands of alerts fall on Firebreak within seconds, three times over: forty edges of twenty services, most of them
// sick at once, and thousands of alerts of nobody, told as an HA pair of Alertmanagers tells them. It runs the real binary as a
// process, and simulates the services, which count and write down every effect.
//
// What must be true: nothing that was acknowledged is missing; every incident ends, with one outcome; while the storm lasts nothing
// new is changed, and what stands is taken back all the same; when it is calm again fixes start again, and end with the last token of
// the budget; memory is bounded; and whoever asks Firebreak meanwhile gets an answer.
//
// How fast all of this is, is printed and not judged: it says more about the machine than about us.
//
// FIREBREAK_LONG=1 sends ten thousand each time, and then a hundred thousand. It stands outside: it speaks HTTP to Firebreak and imports
// nothing of it.
package stormtest

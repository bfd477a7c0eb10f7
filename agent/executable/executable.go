// SPDX-License-Identifier: Apache-2.0

// Package executable reads what a program file says of itself: where its parts are,
// what Go's linker recorded of its build, and what its texts hold.
//
// The file is data, and may be made to hurt. It is never executed, mapped or
// unpacked. Memory is a chunk and a few tables, each of them bounded, whatever its
// headers claim; time is that of reading once what the file holds, holes not
// included; and reading ends when its context does. A file that lies about itself
// is misjudged itself, and nothing else comes of it: sections that overlap, have
// no end or are called like another hide a text, or show one where none is.
//
// What a text means, how large a file may be, and whether it changed meanwhile is
// left to the caller; so is a recover, for what was overlooked here.
package executable

// Package bundle makes and reads signed package files: one file that holds a
// signed manifest and the files that it describes.
//
// One flow through it: Create hashes the files of a release, compresses them or
// makes patches of them if it is asked to, signs the manifest and writes a tar archive whose first member is the
// envelope; Open reads that member and says where the others lie, so that a
// platform can serve them without unpacking. A bundle may be copied and kept
// anywhere: what it holds is worth only what its signature says, and Open
// verifies nothing. Devices do.
//
// The format is plain tar (USTAR/PAX): "manifest.json", a DSSE envelope in
// JSON, then each file under its name in the manifest, in the same order.
package bundle

// Package download brings a package's files into the inactive places of an
// upgrade: verified chunk by chunk, resumable at any cut, from servers that
// are not trusted with anything. It is the only adapter of minio-go and go-getter.
//
// One flow through it: Fetch reads back what its places hold already and keeps
// every chunk whose hash is right (target). It asks the first usable address
// (addresses) for the first run of missing chunks with one range request
// (request, s3), judges status and headers (answer), and reads the body chunk
// by chunk (stream): a chunk is held in memory until its hash is the signed
// one, then written and synced. So a cut at any moment costs at most the one
// chunk that was in memory, and no wrong byte ever reaches a place. A file is
// fetched by one stream for the same reason, and nothing is read while a chunk is
// synced: two streams, or two chunks at a time, would lose two chunks. The line need
// not wait for the disk: the kernel takes what comes.
//
// What becomes of a download after each request is decided by package policy: a
// wrong answer costs one attempt and the next address is asked, a server that is
// away costs time, and every new verified chunk makes up for both. When addresses
// are refused or have all failed, the caller is asked for other ones.
//
// Addresses are not signed. So a guard decides where a request may lead: not to
// the device itself nor into a private network, unless the configuration says so.
// And nothing that the other end says is repeated in logs and reports.
//
// The whole file's SHA-256 is checked too. It is implied by the chunk hashes,
// which the same signature covers, unless the manifest contradicts itself; so
// it is computed while chunks are synced, and only what arrived out of order is read
// back for it.
//
// A file for which the platform vouches has no chunk hashes. It is written as it
// comes, goes on after a break or a restart only if the server names the object the
// same (If-Range), and is read back and verified as a whole before it counts for
// anything. A wrong digest makes it start over once, in one piece.
//
// A job that names a package file at hand, such as on a USB stick, takes its
// chunks from there, by the same hashes, and asks no server.
//
// Devices behind one gateway often need the same files at about the same time. A
// Cache is for them: bounded, verified chunk by chunk like everything else, and
// never needed. Whoever comes first fetches a file, the others take it there.
//
// Beside Fetch there are Verify, which checks bytes that are there, and Unpacker,
// which unpacks archives under limits. It uses go-getter and trusts it as little
// as a server: a pass over the archive comes before its unpacking, and what is
// compressed is decompressed here, so that each block of it is held to a limit.
//
// The package does not verify signatures, decode or apply images, or decide
// what to do after a failure. The build tags nos3 and noarchive leave minio-go
// and go-getter out of the program; what needs them then says so.
package download

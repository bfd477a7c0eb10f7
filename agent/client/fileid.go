// SPDX-License-Identifier: Apache-2.0

package client

import "io/fs"

// Is says whether info is of that very file in that very state.
func (id FileID) Is(info fs.FileInfo) bool { return fileID(info) == id }

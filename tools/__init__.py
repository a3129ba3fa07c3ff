"""What maintainers run: releases, fixtures, mutations."""
